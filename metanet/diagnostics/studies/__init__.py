"""The part of single studies: leave-one-out, cumulative, influence, outliers, GOSH."""

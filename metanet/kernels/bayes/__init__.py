"""The posterior of the binomial-normal model by quadrature."""

"""What every room uses: errors, checks of arguments, untrusted text, numbers as text, cards, and files that appear whole."""

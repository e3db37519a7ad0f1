# The beta-binomial likelihood as a product, which has no gamma functions that cancel; psi = rho / (1 - rho).
up_to <- function(n) sequence(n) - 1
x_terms <- up_to(events)
y_terms <- up_to(total - events)
n_terms <- up_to(total)
choose_terms <- sum(lchoose(total, events))
deviance_at <- function(par) {
  if (par[1] >= 1) return(1e300)
  psi <- par[1] / (1 - par[1])
  -2 * (choose_terms + sum(log(plogis(par[2]) + x_terms * psi)) + sum(log(plogis(-par[2]) + y_terms * psi)) - sum(log1p(n_terms * psi)))
}

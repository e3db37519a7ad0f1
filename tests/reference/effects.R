# Makes the reference values in effects.json with metafor: Rscript effects.R [FILE]
suppressMessages({library(metafor); library(jsonlite)})
path <- commandArgs(trailingOnly = TRUE)
path <- if (length(path)) path[1] else "effects.json"

# Every kind of study: no events, only events, both groups at one end, nothing special, large, lopsided.
data <- list(
  proportion = list(xi = c(0, 4, 20, 3, 1, 117, 0, 999), ni = c(20, 20, 20, 10, 150, 168, 1, 1000)),
  proportion_inner = list(xi = c(4, 3, 117), ni = c(20, 10, 168)),
  groups = list(ai = c(0, 4, 20, 0, 7, 5, 33, 20, 0), n1i = c(20, 20, 20, 20, 7, 9, 4006, 20, 12),
                ci = c(0, 2, 10, 3, 0, 0, 47, 6, 12), n2i = c(10, 10, 10, 30, 11, 250, 5808, 40, 12)),
  groups_inner = list(ai = c(4, 5, 33), n1i = c(20, 9, 4006), ci = c(2, 7, 47), n2i = c(10, 250, 5808)),
  # Only the study that drop00 takes out has empty cells.
  groups_one_end = list(ai = c(0, 4, 5), n1i = c(20, 20, 9), ci = c(0, 2, 7), n2i = c(10, 10, 250)),
  rate = list(xi = c(0, 4, 20, 1), ti = c(2.5, 3, 40.25, 12000)),
  rate_inner = list(xi = c(4, 20), ti = c(3, 40.25)),
  rates = list(x1i = c(0, 4, 20, 0, 9), t1i = c(2.5, 3, 40.25, 3, 1200), x2i = c(0, 2, 0, 3, 12), t2i = c(3, 1, 12, 4, 900.5)),
  rates_one_end = list(x1i = c(0, 4), t1i = c(2.5, 3), x2i = c(0, 2), t2i = c(3, 1))
)
measures <- list(proportion = c("PR", "PLN", "PLO", "PAS", "PFT"), groups = c("OR", "RR", "RD", "AS", "PETO"),
                 rate = c("IR", "IRLN", "IRS", "IRFT"), rates = c("IRR", "IRD"))
uncorrected <- c("PAS", "PFT", "AS", "IRS", "IRFT")  # metafor adds nothing by itself, so add is left to it

one <- function(measure, name, add, to, drop00) {
  call <- c(list(measure = measure, to = to, drop00 = drop00), data[[name]])
  if (!is.null(add)) call$add <- add
  made <- suppressWarnings(do.call(escalc, call))
  list(measure = measure, data = name, add = add, to = to, drop00 = drop00, yi = c(made$yi), vi = c(made$vi))
}

cases <- list()
for (name in names(data)) {
  kind <- strsplit(name, "_")[[1]][1]
  for (measure in measures[[kind]]) for (to in c("only0", "if0all", "all", "none"))
    for (add in if (measure %in% uncorrected) list(NULL) else list(0.5, 0.25, 0))
      for (drop00 in if (kind %in% c("groups", "rates")) c(FALSE, TRUE) else FALSE)
        cases <- c(cases, list(one(measure, name, add, to, drop00)))
}

p <- c(0.001, 0.01, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.99, 0.999)
back <- list()
for (n in c(1, 5, 10, 50.5, 1000, 1e6)) {
  # Values that proportions have in n patients, and values outside of those.
  value <- c(transf.pft(p, n), -0.1, transf.pft(0, n) - 1e-6, transf.pft(1, n) + 1e-6, 2)
  back <- c(back, list(list(measure = "PFT", size = n, value = value, response = transf.ipft(value, n))))
}
sizes <- list(c(10, 20, 40), c(5, 500), c(17, 12, 8, 58))
for (n in sizes) {
  value <- c(0.3, 0.5, pi / 4, 1.1)
  back <- c(back, list(list(measure = "PFT", size = n, value = value, response = transf.ipft.hm(value, targs = list(ni = n)))))
}
for (t in c(0.5, 3, 40.25, 12000)) {
  value <- c(-0.1, 0.5 / sqrt(t) * c(0.9, 1.1, 2, 5), 1.5, 4)
  back <- c(back, list(list(measure = "IRFT", size = t, value = value, response = transf.iirft(value, t))))
}
plain <- function(measure, value, response) list(measure = measure, size = NULL, value = value, response = response)
v <- c(-3, -0.7, -0.01, 0, 0.01, 0.4, 1.2, 3)
back <- c(back, list(plain("PLO", v, transf.ilogit(v)), plain("PAS", v, transf.iarcsin(v)), plain("IRS", v, transf.isqrt(v)),
  plain("OR", v, exp(v)), plain("RR", v, exp(v)), plain("PETO", v, exp(v)), plain("IRR", v, exp(v)), plain("IRLN", v, exp(v)),
  plain("PLN", v[1:4], exp(v[1:4]))))

json <- function(value) toJSON(value, digits = NA, auto_unbox = TRUE, null = "null", na = "null")
made_by <- list(script = "effects.R", R = R.version.string, metafor = as.character(packageVersion("metafor")))
lines <- function(items) paste(vapply(items, function(item) paste0("    ", json(item)), ""), collapse = ",\n")
data_lines <- paste(mapply(function(name, item) paste0("    ", json(name), ": ", json(item)), names(data), data), collapse = ",\n")
writeLines(c("{", paste0("  \"made_by\": ", json(made_by), ","), "  \"data\": {", data_lines, "  },",
  "  \"cases\": [", lines(cases), "  ],", "  \"back\": [", lines(back), "  ]", "}"), path)

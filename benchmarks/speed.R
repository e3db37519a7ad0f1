# Seconds of metafor for benchmarks/speed.py: Rscript speed.R FOLDER TASK, data as CSV in the folder; prints seconds for one call.
suppressMessages(library(metafor))
args <- commandArgs(trailingOnly = TRUE)
read <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
seconds <- function(f, times) { f(); t <- system.time(for (i in seq_len(times)) f())[["elapsed"]]; t / times }
result <- switch(args[2],
  version = as.character(packageVersion("metafor")),
  rma = { d <- read("twenty"); e <- escalc("PLO", xi = d$events, ni = d$total); seconds(function() rma(e$yi, e$vi, test = "knha"), 40) },
  glmm = { d <- read("twenty"); seconds(function() rma.glmm(measure = "PLO", xi = d$events, ni = d$total), 8) },
  many = { d <- read("ten"); g <- split(d, d$fit); seconds(function() for (s in g) rma(s$yi, s$vi), 1) / length(g) },
  influence = { d <- read("twohundred"); fit <- rma(d$yi, d$vi); seconds(function() influence(fit), 1) / 1 },
  signs = { d <- read("twenty"); e <- escalc("PLO", xi = d$events, ni = d$total); fit <- rma(e$yi, e$vi)
    seconds(function() permutest(fit, iter = 1000, progbar = FALSE), 1) },
  moderator = { d <- read("twenty"); e <- escalc("PLO", xi = d$events, ni = d$total); fit <- rma(e$yi, e$vi, mods = ~ d$x)
    seconds(function() permutest(fit, iter = 1000, progbar = FALSE), 1) },
  gosh = { d <- read("twenty"); e <- escalc("PLO", xi = d$events, ni = d$total); fit <- rma(e$yi, e$vi)
    seconds(function() gosh(fit, subsets = 2000, progbar = FALSE), 1) },
  leave = { d <- read("twohundred"); fit <- rma(d$yi, d$vi); seconds(function() leave1out(fit), 1) / 1 }
)
cat(result, "\n")

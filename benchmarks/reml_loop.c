/* A plain loop of restricted maximum likelihood by Fisher scoring, the yardstick of benchmarks/speed.py.
   Usage: reml_loop FILE FITS STUDIES, the file holding effects and then variances as doubles; prints seconds and a check sum. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double fit(const double *y, const double *v, int k) {
  double tau2 = 0.0, mean = 0.0;
  for (int i = 0; i < k; i++) mean += y[i] / k;
  for (int i = 0; i < k; i++) tau2 += (y[i] - mean) * (y[i] - mean) / (k - 1) - v[i] / k;
  if (tau2 < 0.0) tau2 = 0.0;
  for (int step = 0; step < 100; step++) {
    double s1 = 0.0, s2 = 0.0, s3 = 0.0, sy = 0.0;
    for (int i = 0; i < k; i++) {
      double w = 1.0 / (v[i] + tau2);
      s1 += w; s2 += w * w; s3 += w * w * w; sy += w * y[i];
    }
    mean = sy / s1;
    double quadratic = 0.0;
    for (int i = 0; i < k; i++) {
      double u = (y[i] - mean) / (v[i] + tau2);
      quadratic += u * u;
    }
    double score = quadratic - s1 + s2 / s1;
    double information = s2 - 2.0 * s3 / s1 + (s2 / s1) * (s2 / s1);
    double next = tau2 + score / information;
    if (next < 0.0) next = 0.0;
    double moved = fabs(next - tau2);
    tau2 = next;
    if (moved <= 1e-8 * (tau2 + 1e-8)) break;
  }
  return tau2;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long fits = atol(argv[2]);
  int k = atoi(argv[3]);
  double *data = malloc(2 * sizeof(double) * fits * k);
  FILE *file = fopen(argv[1], "rb");
  if (!data || !file || fread(data, sizeof(double), 2 * fits * k, file) != (size_t)(2 * fits * k)) return 1;
  struct timespec a, b;
  double sum = 0.0;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (long i = 0; i < fits; i++) sum += fit(data + i * k, data + (fits + i) * k, k);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.9f %.12g\n", (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec), sum);
  return 0;
}

// exp, log, sin and cos in double, by additions, multiplications, divisions and fused multiply-adds
// in a fixed order: the C library's differ by processor and version.
//
// For what is computed once a row or a logits row (rope angles, log-sum-exp), not in inner loops.
// Each is within 4 units in the last place in its stated range. Thread safety: pure functions.
#pragma once

namespace baton::kernels {

double exponential(double x);      // 0 below -700; |x| <= 700
double natural_log(double x);      // finite x > 0
double power(double x, double y);  // x > 0; exp(y ln x): within 1e-15 * max(1, |y ln x|)
struct SinCos {
  double sin;
  double cos;
};
SinCos sin_cos(double x);  // |x| <= 2^30; the absolute error is below 4e-16

}  // namespace baton::kernels

#include "model/kernels/scalar_math.h"

#include <cmath>

namespace baton::kernels {
namespace {

constexpr double kLn2High = 0x1.62e42feep-1;  // 32 bits: its product with a small integer is exact
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kHalfPiHigh = 0x1.921fb54442d18p+0;
constexpr double kHalfPiLow = 0x1.1a62633145c07p-54;

// Taylor series of sin and cos for |r| <= pi/4: the first term left out is below 2^-57.
double sin_series(double r) {
  const double z = r * r;
  double p = 0;
  for (int k = 17; k >= 3; k -= 2) p = -z * (p + 1.0) / (k * (k - 1.0));
  return std::fma(r, p, r);
}

double cos_series(double r) {
  const double z = r * r;
  double p = 0;
  for (int k = 18; k >= 2; k -= 2) p = -z * (p + 1.0) / (k * (k - 1.0));
  return 1 + p;
}

}  // namespace

double exponential(double x) {
  if (std::isnan(x)) return x;
  if (x < -700) return 0;
  const double n = std::floor(x * 1.4426950408889634 + 0.5);
  double r = std::fma(n, -kLn2High, x);
  r = std::fma(n, -kLn2Low, r);
  double p = 0;  // exp(r) - 1 for |r| <= 0.347: the first term left out is below 2^-60
  for (int k = 14; k >= 1; --k) p = r * (p + 1) / k;
  return std::ldexp(1 + p, static_cast<int>(n));
}

double natural_log(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);  // exact; in [1/2, 1)
  if (mantissa < 0.70710678118654752) {
    mantissa *= 2;
    --exponent;
  }
  // ln(m) = 2 atanh(s), |s| < 0.172: the terms left out are below 2^-60.
  const double s = (mantissa - 1) / (mantissa + 1);
  double p = 0;
  for (int k = 25; k >= 3; k -= 2) p = s * s * (p + 1.0 / k);
  const double series = std::fma(2 * s, p, 2 * s);
  return std::fma(exponent, kLn2High, std::fma(exponent, kLn2Low, series));
}

double power(double x, double y) { return exponential(y * natural_log(x)); }

SinCos sin_cos(double x) {
  const double n = std::floor(x * 0.63661977236758134 + 0.5);
  double r = std::fma(n, -kHalfPiHigh, x);
  r = std::fma(n, -kHalfPiLow, r);
  const double s = sin_series(r);
  const double c = cos_series(r);
  switch (static_cast<long long>(n) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace baton::kernels

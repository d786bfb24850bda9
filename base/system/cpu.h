// What this processor can do, asked once. Kernels are chosen by it at run time.
// Thread safety: values.
#pragma once

#include <string>

namespace baton {

struct CpuFeatures {
  bool avx2 = false;         // AVX2 with FMA and F16C
  bool avx512 = false;       // F, BW, VL, DQ
  bool avx512_vnni = false;  // with AVX-512 VNNI
  bool amx_int8 = false;
};

CpuFeatures cpu_features();
std::string describe(const CpuFeatures& features);  // "avx2 avx512 avx512_vnni"
unsigned cpu_count();                               // CPUs this process may run on

}  // namespace baton

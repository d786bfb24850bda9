#include "model/kernels/kernels.h"

#include <algorithm>

#include "base/system/cpu.h"
#include "model/kernels/scalar_math.h"

namespace baton::kernels {

extern const Kernels kPortableKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kVnniKernels;
extern const Kernels kAmxKernels;
#endif

const Kernels* kernels_for(Isa isa) {
  if (isa == Isa::portable) return &kPortableKernels;
#if defined(__x86_64__)
  const CpuFeatures cpu = cpu_features();
  if (isa == Isa::avx2 && cpu.avx2) return &kAvx2Kernels;
  if (isa == Isa::avx512 && cpu.avx512) return &kAvx512Kernels;
  if (isa == Isa::avx512_vnni && cpu.avx512_vnni) return &kVnniKernels;
  if (isa == Isa::amx && cpu.amx_int8 && cpu.avx512_vnni) return &kAmxKernels;
#endif
  return nullptr;
}

const Kernels& best_kernels() {
  for (unsigned isa = kIsas - 1; isa > 0; --isa) {
    if (const Kernels* kernels = kernels_for(static_cast<Isa>(isa))) return *kernels;
  }
  return kPortableKernels;
}

const char* to_string(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return "portable";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512_vnni:
      return "avx512_vnni";
    case Isa::amx:
      return "amx";
  }
  return "unknown";
}

float log_sum_exp(const Kernels& kernels, const float* logits, size_t n) {
  const float largest = kernels.max(logits, n);
  double total = 0;
  for (size_t begin = 0; begin < n; begin += kVocabularyBlock) {
    const size_t count = std::min(kVocabularyBlock, n - begin);
    const float block_max = kernels.max(logits + begin, count);
    const float sum = kernels.exp_sum(logits + begin, block_max, count, nullptr);
    total += static_cast<double>(sum) * exponential(static_cast<double>(block_max) - largest);
  }
  return static_cast<float>(largest + natural_log(total));
}

}  // namespace baton::kernels

// The AVX-512, AVX-512-VNNI and AMX paths over SIMDe's portable intrinsics: the same source as the
// native paths, so that its bytes can be compared on any machine.
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/avx512/dpbusd.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <vector>

#include "tests/kernels/emulated_avx512.h"

#define BATON_EMULATED_AVX512
#include "model/kernels/canonical/body.h"
#include "model/kernels/canonical/lanes_avx512.h"
#include "model/kernels/int8/body.h"
#include "tests/kernels/emulated_amx.h"
// The tiles come first: the path names them.
#include "model/kernels/int8/dots_amx.h"
#include "model/kernels/tiles/body.h"

namespace baton::kernels {
namespace {

constexpr TileKernels kTiles = TileBody<Avx512Lanes>::table();
constexpr Int8Kernels kAvx512 = Int8Body<Avx512Lanes, Avx512Dots>::table("emulated avx512bw");
constexpr Int8Kernels kVnni = Int8Body<Avx512Lanes, VnniDots>::table("emulated avx512_vnni");
constexpr Int8Kernels kAmx = Int8Body<Avx512Lanes, AmxDots>::table("emulated amx");

}  // namespace

static constexpr Kernels kEmulated[3] = {
    Body<Avx512Lanes>::table(Isa::avx512, &kTiles, &kAvx512),
    Body<Avx512Lanes>::table(Isa::avx512_vnni, &kTiles, &kVnni),
    Body<Avx512Lanes>::table(Isa::amx, &kTiles, &kAmx)};

namespace testing {

std::vector<const Kernels*> paths();
std::vector<const Kernels*> paths() { return {&kEmulated[0], &kEmulated[1], &kEmulated[2]}; }

}  // namespace testing
}  // namespace baton::kernels

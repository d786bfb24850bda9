// baton-convert: packs a model's weights for a numeric mode ahead of the first start, or checks the
// packed file that is there. One sentence on standard error and status 1 if it can't.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "base/clock.h"
#include "base/system/bus_error.h"
#include "base/system/cpu.h"
#include "base/system/options.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/packed/mode_options.h"
#include "model/checkpoint/packed/packer.h"
#include "model/kernels/kernels.h"

namespace baton {
namespace {

struct Options {
  std::string dir;
  std::string mode = "fast";
  std::string pack_dir;
  unsigned threads = cpu_count();
};

Result<void> convert(const Options& options) {
  BATON_TRY(mode, checkpoint::find_numeric_mode(options.mode));
  if (!mode.packed()) {
    return fail(ErrorCode::invalid_argument,
                "mode {} uses the checkpoint's weights as they are; there is nothing to convert",
                options.mode);
  }
  BATON_TRY(model, checkpoint::Checkpoint::open(options.dir));
  const SystemClock clock;
  const Instant began = clock.now();
  ThreadPool pool(options.threads);
  // Checks every tensor of a file that is there, and packs it unless it is sound.
  BATON_TRY(file,
            checkpoint::replace_packed(model, {mode, options.pack_dir, ProgressBar::best_style()},
                                       kernels::best_kernels(), pool));
  const std::chrono::duration<double> took = clock.now() - began;
  fmt::print("{}  {} bytes, {} tensors, {:.1f} s\n", file.path().string(),
             file.layout().file_bytes(), file.layout().tensors().size(), took.count());
  return {};
}

int run(int argc, char** argv) {
  CLI::App app(
      "Packs a model's weights for a numeric mode, so that no daemon has to at its start. A file "
      "that is there already is checked, and packed anew if it is not sound.");
  Options options;
  app.add_option("dir", options.dir, "folder of the model")->required()->type_name("DIR");
  checkpoint::add_mode_options(app, options.mode);
  app.add_option("--pack-dir", options.pack_dir,
                 "where packed weights are kept [the model's folder]")
      ->type_name("DIR");
  app.add_option("--threads", options.threads, "threads that pack")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  if (const auto status = parse_options(app, argc, argv)) return *status;
  explain_bus_errors();
  const auto done = convert(options);
  if (done) return 0;
  fmt::print(stderr, "baton-convert: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) { return baton::run(argc, argv); }

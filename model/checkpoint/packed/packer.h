// Packer: makes a model's packed file from its checkpoint, once for all processes of a host.
//
// open_packed() finds a valid file in the folder, or packs one: by one process at a time (the
// others wait for it), with all threads, under a temporary name, renamed when it is complete and on
// disk. A file that is truncated, foreign or damaged is never used: it is said so in one sentence,
// and the model is packed anew. Packed bytes are a function of the checkpoint's values and the
// mode, on every processor. Thread safety: functions, safe between processes.
#pragma once

#include "base/observe/progress_bar.h"
#include "base/system/thread_pool.h"
#include "model/checkpoint/packed/packed_file.h"

namespace baton::checkpoint {

struct PackOptions {
  NumericMode mode;
  std::filesystem::path folder;  // of packed files; empty: the checkpoint's own
  ProgressBar::Style progress = ProgressBar::Style::off;
};

// "baton-fast-0123456789abcdef.pack": mode, and the start of the checkpoint's fingerprint.
std::string packed_file_name(const NumericMode& mode, const Sha256Digest& fingerprint);

Result<PackedFile> open_packed(const Checkpoint& checkpoint, const PackOptions& options,
                               const kernels::Kernels& kernels, ThreadPool& pool);

// The same after a tensor was found damaged: verifies all of the file that is there now, which
// another process may have replaced meanwhile, and packs anew unless it is sound.
Result<PackedFile> replace_packed(const Checkpoint& checkpoint, const PackOptions& options,
                                  const kernels::Kernels& kernels, ThreadPool& pool);

}  // namespace baton::checkpoint

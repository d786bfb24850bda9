// A small seeded driver for fuzz targets where libFuzzer is not: mutates the files of a corpus.
//
// Usage: NAME_fuzz [--runs N] [--seconds S] [--seed K] [CORPUS_FOLDER]. Input i of seed k is always
// the same bytes; a crash prints both, so that it can be repeated with --seed k --only i.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/hash/counter_rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kInputBytesMax = 4096;

struct Options {
  uint64_t runs = 10'000;
  uint64_t seconds = 30;
  uint64_t seed = 1;
  long only = -1;
  std::string corpus;
};

char crash_note[128];

void on_crash(int signal) {
  const auto ignored = ::write(2, crash_note, std::strlen(crash_note));
  (void)ignored;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::vector<Bytes> read_corpus(const std::string& folder) {
  std::vector<Bytes> inputs{{}};
  if (folder.empty() || !std::filesystem::is_directory(folder)) return inputs;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(file.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return inputs;
}

void mutate_once(Bytes& bytes, const std::vector<Bytes>& corpus, baton::SeededRandom& random) {
  static constexpr uint8_t kOdd[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '}', '[', '\\', '\n', ' '};
  const size_t at = random.below(bytes.size() + 1);
  switch (random.below(7)) {
    case 0:
      if (at < bytes.size()) bytes[at] ^= uint8_t(1u << random.below(8));
      break;
    case 1:
      bytes.insert(bytes.begin() + at, kOdd[random.below(sizeof kOdd)]);
      break;
    case 2:
      if (at < bytes.size()) bytes.erase(bytes.begin() + at);
      break;
    case 3:
      bytes.resize(at);
      break;
    case 4:
      if (at < bytes.size()) bytes[at] = uint8_t(random.next());
      break;
    case 5: {  // repeat a piece of itself
      const size_t length = random.below(std::min<size_t>(bytes.size() - at, 64) + 1);
      const Bytes piece(bytes.begin() + at, bytes.begin() + at + length);
      bytes.insert(bytes.begin() + at, piece.begin(), piece.end());
      break;
    }
    default: {  // splice in a piece of another input
      const Bytes& other = corpus[random.below(corpus.size())];
      const size_t from = random.below(other.size() + 1);
      const size_t length = random.below(other.size() - from + 1);
      bytes.insert(bytes.begin() + at, other.begin() + from, other.begin() + from + length);
    }
  }
}

Bytes input_of(uint64_t seed, uint64_t run, const std::vector<Bytes>& corpus) {
  baton::SeededRandom random(seed * 0x9e3779b97f4a7c15u + run);
  Bytes bytes = corpus[random.below(corpus.size())];
  for (uint64_t n = random.below(8); n > 0; --n) mutate_once(bytes, corpus, random);
  if (bytes.size() > kInputBytesMax * 16) bytes.resize(kInputBytesMax * 16);
  return bytes;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (a == "--runs")
      options.runs = number();
    else if (a == "--seconds")
      options.seconds = number();
    else if (a == "--seed")
      options.seed = number();
    else if (a == "--only")
      options.only = static_cast<long>(number());
    else
      options.corpus = a;
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::vector<Bytes> corpus = read_corpus(options.corpus);
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, on_crash);
  const baton::SystemClock clock;
  const baton::Instant end = clock.now() + std::chrono::seconds(options.seconds);
  uint64_t run = options.only >= 0 ? static_cast<uint64_t>(options.only) : 0;
  const uint64_t last = options.only >= 0 ? run + 1 : options.runs;
  for (; run < last && clock.now() < end; ++run) {
    std::snprintf(crash_note, sizeof crash_note, "crash: repeat with --seed %llu --only %llu\n",
                  static_cast<unsigned long long>(options.seed),
                  static_cast<unsigned long long>(run));
    const Bytes input = input_of(options.seed, run, corpus);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%llu inputs from %zu seeds\n", static_cast<unsigned long long>(run), corpus.size());
  return 0;
}

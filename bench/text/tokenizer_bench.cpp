// tokenizer_bench DIR [FILE...]: how long a model folder's tokenizer takes to load, and how many
// megabytes of text a second one thread encodes and decodes: each file, repeated to a few
// megabytes, and texts that are hard on tokenizers.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/clock.h"
#include "base/hash/counter_rng.h"
#include "model/text/tokenizer.h"

namespace baton {
namespace {

constexpr size_t kTextBytes = 8 << 20;

std::string repeated(const std::string& piece) {
  std::string text;
  while (text.size() < kTextBytes && !piece.empty()) text += piece;
  return text;
}

std::string random_bytes() {
  SeededRandom random(1);
  std::string text(kTextBytes, '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

bool measure(const text::Tokenizer& tokenizer, const Clock& clock, const std::string& name,
             const std::string& text) {
  const Instant start = clock.now();
  const auto ids = tokenizer.encode(text, text::SpecialText::as_text);
  const double encode_s = to_seconds(clock.now() - start);
  if (!ids) {
    std::fprintf(stderr, "tokenizer_bench: %s\n", ids.error().message.c_str());
    return false;
  }
  const Instant middle = clock.now();
  const std::string back = tokenizer.decode(*ids, false);
  const double decode_s = to_seconds(clock.now() - middle);
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  fmt::print("{:<32} {:>8.1f} MB/s encode {:>8.1f} MB/s decode {:>6.2f} bytes a token\n", name,
             megabytes / encode_s, megabytes / decode_s,
             static_cast<double>(text.size()) / static_cast<double>(ids->size()));
  return true;
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: tokenizer_bench DIR [FILE...]\n");
    return 2;
  }
  const SystemClock clock;
  const Instant start = clock.now();
  const auto tokenizer = text::Tokenizer::load(argv[1]);
  if (!tokenizer) {
    std::fprintf(stderr, "tokenizer_bench: %s\n", tokenizer.error().message.c_str());
    return 1;
  }
  fmt::print("loaded in {:.3f} s\n", to_seconds(clock.now() - start));
  bool good = true;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (text.empty()) {
      std::fprintf(stderr, "tokenizer_bench: %s can't be read or is empty\n", argv[i]);
      return 1;
    }
    good = measure(*tokenizer, clock, argv[i], repeated(text)) && good;
  }
  for (const auto& [name, text] :
       {std::pair("one letter", std::string(kTextBytes, 'a')),
        std::pair("spaces", std::string(kTextBytes, ' ')), std::pair("bytes", random_bytes()),
        std::pair("one character of Han", repeated("\xE4\xB8\xAD"))}) {
    good = measure(*tokenizer, clock, name, text) && good;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) { return baton::run(argc, argv); }

// read_tokenizer_json: the format of the Hugging Face tokenizers library, of which this reads what
// byte-pair models use.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "model/text/bpe/byte_alphabet.h"
#include "model/text/bpe/files.h"
#include "model/text/utf8.h"

namespace baton::text::bpe {
namespace {

using nlohmann::json;

constexpr size_t tokens_max = 4'000'000;

template <class... Args>
Error corrupt(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorCode::corrupt, "tokenizer.json: {}",
              fmt::format(text, std::forward<Args>(args)...));
}

Error unsupported(std::string_view what) {
  return fail(ErrorCode::unsupported, "tokenizer.json: {} is not supported", what);
}

const json& at(const json& object, const char* name) {
  static const json absent;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? absent : *found;
}

bool flag(const json& object, const char* name) {
  const json& value = at(object, name);
  return value.is_boolean() && value.get<bool>();
}

std::optional<TokenId> token_id(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  const auto id = value.get<int64_t>();  // one too large for it comes out negative
  if (id < 0 || id > Vocabulary::id_max) return std::nullopt;
  return static_cast<TokenId>(id);
}

bool changes_nothing(const json& normalizer) {
  if (normalizer.is_null()) return true;
  const json& list = at(normalizer, "normalizers");
  return at(normalizer, "type") == "Sequence" && list.is_array() &&
         std::all_of(list.begin(), list.end(), changes_nothing);
}

struct Decoder {
  bool byte_level = false;
  bool byte_fallback = false;
};

Result<void> read_decoder(const json& node, Decoder& decoder, int depth = 0) {
  const json& type = at(node, "type");
  if (node.is_null() || type == "Fuse") return {};
  if (type == "ByteLevel") return decoder.byte_level = true, Result<void>();
  if (type == "ByteFallback") return decoder.byte_fallback = true, Result<void>();
  if (type == "Sequence" && depth < 4 && at(node, "decoders").is_array()) {
    for (const auto& entry : at(node, "decoders")) {
      BATON_CHECKED(read_decoder(entry, decoder, depth + 1));
    }
    return {};
  }
  return unsupported("this decoder");
}

Result<std::vector<AddedToken>> read_added(const json& list) {
  std::vector<AddedToken> tokens;
  if (list.is_null()) return tokens;
  if (!list.is_array() || list.size() > tokens_max) return corrupt("added_tokens is no list");
  for (const auto& entry : list) {
    const auto id = token_id(at(entry, "id"));
    const json& content = at(entry, "content");
    if (!id || !content.is_string()) return corrupt("an added token lacks its id or content");
    if (content.get_ref<const std::string&>().empty()) continue;
    tokens.push_back({*id, content.get<std::string>(), flag(entry, "special"),
                      flag(entry, "normalized"), flag(entry, "lstrip"), flag(entry, "rstrip"),
                      flag(entry, "single_word")});
  }
  return tokens;
}

// "<0x0A>" as the byte it stands for.
std::optional<uint8_t> fallback_byte(std::string_view content) {
  if (content.size() != 6 || !content.starts_with("<0x") || content.back() != '>') {
    return std::nullopt;
  }
  unsigned value = 0;
  for (const char c : content.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'A' && c <= 'F')) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(digit ? c - '0' : c - 'A' + 10);
  }
  return static_cast<uint8_t>(value);
}

class Reader {
 public:
  Reader(const json& tokenizer, Model& model) : tokenizer_(tokenizer), model_(model) {}

  Result<void> run() {
    const json& bpe = at(tokenizer_, "model");
    const json& type = at(bpe, "type");
    if (!bpe.is_object() || (!type.is_null() && type != "BPE")) {
      return unsupported("a model that is not BPE");
    }
    if (!changes_nothing(at(tokenizer_, "normalizer"))) return unsupported("a normalizer");
    for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!at(bpe, name).is_null() && at(bpe, name) != "") return unsupported(name);
    }
    if (at(bpe, "dropout").is_number() && at(bpe, "dropout") != 0) return unsupported("dropout");
    BATON_TRY(splitter, pattern::Splitter::from_json(at(tokenizer_, "pre_tokenizer")));
    model_.by_bytes = splitter.byte_level();
    model_.splitter = std::move(splitter);
    BATON_CHECKED(read_decoder(at(tokenizer_, "decoder"), decoder_));
    model_.whole_pieces = flag(bpe, "ignore_merges");
    model_.fuse_unknown = flag(bpe, "fuse_unk");
    BATON_TRY(added, read_added(at(tokenizer_, "added_tokens")));
    BATON_CHECKED(read_tokens(at(bpe, "vocab"), added));
    BATON_CHECKED(read_merges(at(bpe, "merges")));
    BATON_CHECKED(read_symbols(bpe));
    return model_.set_added(std::move(added));
  }

 private:
  // What a token of this content decodes to.
  std::string decoded(const std::string& content) const {
    if (decoder_.byte_level) {
      if (auto bytes = spelled_bytes(content)) return std::move(*bytes);
    }
    if (decoder_.byte_fallback) {
      if (const auto byte = fallback_byte(content)) return std::string(1, static_cast<char>(*byte));
    }
    return content;
  }

  Result<void> read_tokens(const json& vocab, const std::vector<AddedToken>& added) {
    if (!vocab.is_object() || vocab.size() > tokens_max) return corrupt("model.vocab is no object");
    contents_.reserve(vocab.size());
    model_.vocabulary.reserve(vocab.size() + added.size());
    for (const auto& token : added) {
      const auto bytes = decoded(token.content);
      if (model_.vocabulary.has(token.id)) {
        return corrupt("two added tokens have the id {}", token.id);
      }
      model_.vocabulary.add(token.id, bytes, false);
    }
    std::unordered_map<TokenId, std::string_view> added_ids;
    for (const auto& token : added) added_ids.emplace(token.id, token.content);
    for (const auto& [content, value] : vocab.items()) {
      const auto id = token_id(value);
      if (!id) return corrupt("the token {} has no proper id", content);
      if (!contents_.add(*id, content)) return corrupt("two tokens have the id {}", *id);
      const auto known = added_ids.find(*id);
      if (known != added_ids.end() && known->second == content) continue;
      const bool fallback = decoder_.byte_fallback && fallback_byte(content).has_value();
      if (!model_.vocabulary.add(*id, decoded(content), !fallback)) {
        return corrupt("two tokens have the id {}", *id);
      }
    }
    return {};
  }

  Result<void> read_merges(const json& merges) {
    if (!merges.is_array() || merges.size() > tokens_max) return corrupt("model.merges is no list");
    model_.merges.reserve(merges.size());
    std::string joined;
    uint32_t rank = 0;
    for (const auto& entry : merges) {
      std::string_view left, right;
      if (entry.is_string()) {
        const std::string_view both = entry.get_ref<const std::string&>();
        const size_t space = both.find(' ');
        if (space == both.npos || both.find(' ', space + 1) != both.npos) {
          return corrupt("merge {} is no pair", rank);
        }
        left = both.substr(0, space), right = both.substr(space + 1);
      } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                 entry[1].is_string()) {
        left = entry[0].get_ref<const std::string&>(),
        right = entry[1].get_ref<const std::string&>();
      } else {
        return corrupt("merge {} is no pair", rank);
      }
      joined.assign(left).append(right);
      const auto a = contents_.find(left), b = contents_.find(right), c = contents_.find(joined);
      if (!a || !b || !c) {
        return corrupt("merge {} names a token that the vocabulary lacks", rank);
      }
      model_.merges.add(*a, *b, {rank++, *c});
    }
    return {};
  }

  // The tokens of single bytes, or those that bytes fall back to.
  Result<void> read_symbols(const json& bpe) {
    const bool fallback = flag(bpe, "byte_fallback");
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string content;
      if (model_.by_bytes) {
        append_utf8(content, byte_alphabet()[byte]);
      } else if (fallback) {
        content = fmt::format("<0x{:02X}>", byte);
      }
      const auto found = contents_.find(content);
      if (found) model_.byte_tokens[byte] = *found;
    }
    const json& unknown = at(bpe, "unk_token");
    if (!unknown.is_string()) return {};
    const auto found = contents_.find(unknown.get_ref<const std::string&>());
    if (!found) return corrupt("unk_token is no token");
    model_.unknown = *found;
    return {};
  }

  const json& tokenizer_;
  Model& model_;
  Decoder decoder_;
  Vocabulary contents_;  // of model.vocab, as it is spelled there
};

// True if the post-processor begins a single text with the token `content`.
bool begins_with(const json& post_processor, std::string_view content) {
  if (at(post_processor, "type") == "Sequence") {
    const json& list = at(post_processor, "processors");
    return list.is_array() && std::any_of(list.begin(), list.end(), [&](const json& entry) {
             return at(entry, "type") != "Sequence" && begins_with(entry, content);
           });
  }
  const json& single = at(post_processor, "single");
  if (at(post_processor, "type") != "TemplateProcessing" || !single.is_array() || single.empty()) {
    return false;
  }
  return at(at(single[0], "SpecialToken"), "id") == content;
}

}  // namespace

Result<Model> read_tokenizer_json(const json& tokenizer, const json& config) {
  Model model;
  BATON_CHECKED(Reader(tokenizer, model).run());
  const auto bos = token_content(config, "bos_token");
  model.adds_bos = !bos.empty() && begins_with(at(tokenizer, "post_processor"), bos);
  BATON_CHECKED(apply_config(config, model));
  return model;
}

}  // namespace baton::text::bpe

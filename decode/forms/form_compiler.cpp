#include "decode/forms/form_compiler.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "model/constraint/markers.h"

namespace baton::decode {

std::vector<std::string_view> form_bytes(const text::Tokenizer& tokenizer, uint32_t vocab_size) {
  std::vector<std::string_view> bytes(vocab_size);
  for (TokenId id = 0; id < vocab_size; ++id) {
    const std::string_view token = tokenizer.token_bytes(id);
    if (tokenizer.is_special(id) || tokenizer.is_added(id)) {
      bytes[id] = constraint::marker_byte(token);
    } else if (!constraint::holds_marker_byte(token)) {
      bytes[id] = token;
    }
  }
  return bytes;
}

FormCompiler::FormCompiler(boost::asio::any_io_executor executor, const text::Tokenizer& tokenizer,
                           uint32_t vocab_size, OnDone on_done)
    : executor_(std::move(executor)),
      tokenizer_(tokenizer),
      vocab_size_(vocab_size),
      on_done_(std::make_shared<const OnDone>(std::move(on_done))) {}

FormCompiler::~FormCompiler() {
  thread_.stop();
  thread_.join();
}

CompiledForm FormCompiler::work(const Forms::Key& key) {
  if (!vocabulary_) vocabulary_.emplace(form_bytes(tokenizer_, vocab_size_));
  BATON_TRY(language, constraint::Language::compile(key.first, key.second, *vocabulary_));
  return std::shared_ptr<constraint::Language>(std::move(language));
}

void FormCompiler::compile(Forms::Key key) {
  auto order = [this, key = std::move(key), listener = std::weak_ptr<const OnDone>(on_done_)] {
    auto answer = [listener, key, form = work(key)]() mutable {
      if (const auto on_done = listener.lock()) (*on_done)(std::move(key), std::move(form));
    };
    boost::asio::post(executor_, std::move(answer));
  };
  boost::asio::post(thread_, std::move(order));
}

}  // namespace baton::decode

// FormCompiler: compiles the forms of answers beside the I/O and compute threads.
//
// The first order also sorts the model's vocabulary, which all languages share. Orders are answered
// in turn, on the executor, never from inside compile(). Destroying it waits for the order in work,
// drops those behind it and silences all answers; languages must be gone before.
// Thread safety: one executor; the tokenizer is read on a thread of its own.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "decode/forms/forms.h"
#include "model/text/tokenizer.h"

namespace baton::decode {

using CompiledForm = Result<std::shared_ptr<constraint::Language>>;

class FormCompiler {
 public:
  using OnDone = std::function<void(Forms::Key, CompiledForm)>;

  // vocab_size: ids that the model can say. The tokenizer outlives it.
  FormCompiler(boost::asio::any_io_executor executor, const text::Tokenizer& tokenizer,
               uint32_t vocab_size, OnDone on_done);
  ~FormCompiler();
  FormCompiler(const FormCompiler&) = delete;
  FormCompiler& operator=(const FormCompiler&) = delete;

  void compile(Forms::Key key);

 private:
  CompiledForm work(const Forms::Key& key);

  boost::asio::any_io_executor executor_;
  const text::Tokenizer& tokenizer_;
  const uint32_t vocab_size_;
  std::shared_ptr<const OnDone> on_done_;            // what is posted back holds a weak reference
  std::optional<constraint::TokenTrie> vocabulary_;  // of the thread, until it is there
  boost::asio::thread_pool thread_{1};
};

// The bytes of each id that a form may use; none for special and added tokens, but for the markers
// of model/constraint.
std::vector<std::string_view> form_bytes(const text::Tokenizer& tokenizer, uint32_t vocab_size);

}  // namespace baton::decode

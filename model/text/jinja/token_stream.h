// TokenStream: the tokens of a template and where the parser stands among them; and the parser of
// expressions, with Jinja's precedence. Thread safety: one parser, one thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/jinja/lexer.h"
#include "model/text/jinja/syntax.h"

namespace baton::text::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& ahead(size_t n) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  bool at(TokenKind kind) const { return current().kind == kind; }
  bool at_symbol(std::string_view text) const {
    return at(TokenKind::symbol) && current().text == text;
  }
  bool at_name(std::string_view text) const {
    return at(TokenKind::name) && current().text == text;
  }
  Token take() {
    Token token = current();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip_symbol(std::string_view text) { return at_symbol(text) && (take(), true); }
  bool skip_name(std::string_view text) { return at_name(text) && (take(), true); }
  Result<void> expect_symbol(std::string_view text);
  Result<std::string> expect_name();
  Error unexpected(std::string_view wanted) const;

 private:
  std::vector<Token> tokens_;  // the last one is TokenKind::end
  size_t at_ = 0;
};

class ExprParser {
 public:
  ExprParser(TokenStream& stream, SyntaxTree& tree) : stream_(stream), tree_(tree) {}

  using Parsed = Result<const Expr*>;

  // An expression; with_conditional: `a if b else c` may follow.
  Parsed expression(bool with_conditional = true);
  // One expression, or several with commas: a tuple.
  Parsed expression_or_tuple(bool with_conditional = true);
  // What can be assigned to: a name, name.attribute, or a tuple of them.
  Parsed target();
  // The filters that follow (`| f(x) | g`), applied to `inner`.
  Parsed filters(const Expr* inner);
  // `name | g` as after `{% filter`: the first filter has no bar.
  Parsed first_filter(const Expr* inner);

 private:
  using Level = Parsed (ExprParser::*)();

  Expr& node(Expr::Kind kind);
  Parsed finish(Expr& expr);  // computes and bounds its depth
  Parsed chain(Level next, std::initializer_list<std::string_view> symbols);
  Parsed either();
  Parsed both();
  Parsed negation();
  Parsed comparison();
  Parsed sum();
  Parsed joined();
  Parsed product();
  Parsed power();
  Parsed unary() { return unary_with(true); }
  Parsed unary_with(bool with_filters);
  Parsed primary();
  Parsed list();
  Parsed dict();
  Parsed number(const Token& token);
  Parsed postfix(const Expr* inner);
  Parsed subscript(const Expr* inner);
  Parsed test(const Expr* inner);
  Result<void> arguments(Expr& call);

  TokenStream& stream_;
  SyntaxTree& tree_;
  uint32_t depth_ = 0;
};

}  // namespace baton::text::jinja

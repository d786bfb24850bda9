#include <charconv>
#include <utility>

#include "model/text/jinja/parser.h"
#include "model/text/jinja/token_stream.h"

namespace baton::text::jinja {
namespace {

constexpr size_t arguments_max = 64;  // of one call; they bound how deep map can call itself

}  // namespace

using Parsed = ExprParser::Parsed;

Error TokenStream::unexpected(std::string_view wanted) const {
  return fail(ErrorCode::unsupported, "the chat template needs {} in line {}, where it has '{}'",
              wanted, current().line, current().text);
}

Result<void> TokenStream::expect_symbol(std::string_view text) {
  if (!skip_symbol(text)) return unexpected(text);
  return {};
}

Result<std::string> TokenStream::expect_name() {
  if (!at(TokenKind::name)) return unexpected("a name");
  return take().text;
}

Expr& ExprParser::node(Expr::Kind kind) {
  Expr& expr = tree_.exprs.emplace_back();
  expr.kind = kind;
  expr.line = stream_.current().line;
  return expr;
}

Parsed ExprParser::finish(Expr& expr) {
  for (const Expr* arg : expr.args) {
    if (arg) expr.depth = std::max(expr.depth, arg->depth + 1);
  }
  for (const auto& [name, arg] : expr.named) expr.depth = std::max(expr.depth, arg->depth + 1);
  if (expr.depth > syntax_depth_max) {
    return fail(ErrorCode::unsupported, "the chat template has an expression too deep in line {}",
                expr.line);
  }
  return &expr;
}

Parsed ExprParser::expression(bool with_conditional) {
  if (++depth_ > syntax_depth_max / 2) {
    return fail(ErrorCode::unsupported, "the chat template has brackets too deep in line {}",
                stream_.current().line);
  }
  BATON_TRY(first, either());
  const Expr* result = first;
  while (with_conditional && stream_.skip_name("if")) {
    Expr& expr = node(Expr::Kind::conditional);
    BATON_TRY(condition, either());
    expr.args = {result, condition, nullptr};
    if (stream_.skip_name("else")) {
      BATON_TRY(otherwise, expression());
      expr.args[2] = otherwise;
    }
    BATON_TRY(done, finish(expr));
    result = done;
  }
  --depth_;
  return result;
}

Parsed ExprParser::expression_or_tuple(bool with_conditional) {
  BATON_TRY(first, expression(with_conditional));
  if (!stream_.at_symbol(",")) return first;
  Expr& tuple = node(Expr::Kind::tuple);
  tuple.args.push_back(first);
  while (stream_.skip_symbol(",")) {
    const bool over = stream_.at(TokenKind::block_end) || stream_.at(TokenKind::variable_end) ||
                      stream_.at_symbol(")") || stream_.at_name("in");
    if (over) break;
    BATON_TRY(next, expression(with_conditional));
    tuple.args.push_back(next);
  }
  return finish(tuple);
}

Parsed ExprParser::target() {
  std::vector<const Expr*> targets;
  const bool bracket = stream_.skip_symbol("(");
  bool tuple = bracket;
  do {
    if (!stream_.at(TokenKind::name) || stream_.at_name("in")) break;
    Expr& name = node(Expr::Kind::name);
    name.name = stream_.take().text;
    const Expr* one = &name;
    if (stream_.skip_symbol(".")) {
      Expr& attribute = node(Expr::Kind::attribute);
      BATON_TRY(field, stream_.expect_name());
      attribute.name = field;
      attribute.args = {&name};
      one = &attribute;
    }
    targets.push_back(one);
  } while (stream_.skip_symbol(",") && (tuple = true));
  if (bracket) BATON_CHECKED(stream_.expect_symbol(")"));
  if (targets.empty()) return stream_.unexpected("a name to assign to");
  if (!tuple) return targets[0];
  Expr& expr = node(Expr::Kind::tuple);
  expr.args = std::move(targets);
  return finish(expr);
}

// Left-associative binary operators of one precedence.
Parsed ExprParser::chain(Level next, std::initializer_list<std::string_view> symbols) {
  BATON_TRY(first, (this->*next)());
  const Expr* left = first;
  while (stream_.at(TokenKind::symbol) &&
         std::find(symbols.begin(), symbols.end(), stream_.current().text) != symbols.end()) {
    Expr& expr = node(Expr::Kind::binary);
    expr.name = stream_.take().text;
    BATON_TRY(right, (this->*next)());
    expr.args = {left, right};
    BATON_TRY(done, finish(expr));
    left = done;
  }
  return left;
}

Parsed ExprParser::sum() { return chain(&ExprParser::joined, {"+", "-"}); }
Parsed ExprParser::joined() { return chain(&ExprParser::product, {"~"}); }
Parsed ExprParser::product() { return chain(&ExprParser::power, {"*", "/", "//", "%"}); }
Parsed ExprParser::power() { return chain(&ExprParser::unary, {"**"}); }

Parsed ExprParser::either() {
  BATON_TRY(first, both());
  const Expr* left = first;
  while (stream_.skip_name("or")) {
    Expr& expr = node(Expr::Kind::either);
    BATON_TRY(right, both());
    expr.args = {left, right};
    BATON_TRY(done, finish(expr));
    left = done;
  }
  return left;
}

Parsed ExprParser::both() {
  BATON_TRY(first, negation());
  const Expr* left = first;
  while (stream_.skip_name("and")) {
    Expr& expr = node(Expr::Kind::both);
    BATON_TRY(right, negation());
    expr.args = {left, right};
    BATON_TRY(done, finish(expr));
    left = done;
  }
  return left;
}

Parsed ExprParser::negation() {
  size_t count = 0;
  while (stream_.skip_name("not")) ++count;
  BATON_TRY(inner, comparison());
  if (count == 0) return inner;
  Expr& expr = node(Expr::Kind::negation);
  expr.args = {inner};
  BATON_TRY(once, finish(expr));
  if (count % 2 == 1) return once;
  Expr& twice = node(Expr::Kind::negation);
  twice.args = {once};
  return finish(twice);
}

Parsed ExprParser::comparison() {
  BATON_TRY(first, sum());
  std::vector<const Expr*> operands{first};
  std::vector<std::string> operators;
  while (true) {
    std::string op;
    for (std::string_view symbol : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (op.empty() && stream_.at_symbol(symbol)) op = symbol;
    }
    if (!op.empty() || stream_.at_name("in")) {
      op = stream_.take().text;
    } else if (stream_.at_name("not") && stream_.ahead(1).kind == TokenKind::name &&
               stream_.ahead(1).text == "in") {
      stream_.take(), stream_.take();
      op = "not in";
    } else {
      break;
    }
    operators.push_back(std::move(op));
    BATON_TRY(operand, sum());
    operands.push_back(operand);
  }
  if (operators.empty()) return first;
  Expr& expr = node(Expr::Kind::compare);
  expr.args = std::move(operands);
  expr.operators = std::move(operators);
  return finish(expr);
}

Parsed ExprParser::unary_with(bool with_filters) {
  const Expr* inner = nullptr;
  if (stream_.at_symbol("-") || stream_.at_symbol("+")) {
    if (++depth_ > syntax_depth_max / 2) return stream_.unexpected("fewer signs");
    Expr& expr = node(stream_.at_symbol("-") ? Expr::Kind::minus : Expr::Kind::plus);
    stream_.take();
    BATON_TRY(operand, unary_with(false));
    --depth_;
    expr.args = {operand};
    BATON_TRY(done, finish(expr));
    inner = done;
  } else {
    BATON_TRY(operand, primary());
    inner = operand;
  }
  BATON_TRY(after, postfix(inner));
  if (!with_filters) return after;
  return filters(after);
}

Parsed ExprParser::number(const Token& token) {
  Expr& expr = node(Expr::Kind::literal);
  const char* end = token.text.data() + token.text.size();
  if (token.kind == TokenKind::integer) {
    int64_t value = 0;
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      return stream_.unexpected("a smaller number");
    }
    expr.value = Value::of_int(value);
  } else {
    double value = 0;
    if (std::from_chars(token.text.data(), end, value).ec != std::errc()) {
      return stream_.unexpected("a number in range");
    }
    expr.value = Value::of_number(value);
  }
  return &expr;
}

Parsed ExprParser::primary() {
  if (stream_.at(TokenKind::name)) {
    const std::string name = stream_.current().text;
    Expr& expr = node(Expr::Kind::literal);
    stream_.take();
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      expr.value = Value::of_bool(name[0] == 't' || name[0] == 'T');
    } else if (name == "none" || name == "None") {
      expr.value = Value::none();
    } else {
      expr.kind = Expr::Kind::name;
      expr.name = name;
    }
    return &expr;
  }
  if (stream_.at(TokenKind::string)) {
    Expr& expr = node(Expr::Kind::literal);
    std::string text;
    while (stream_.at(TokenKind::string)) text += stream_.take().text;
    expr.text = Text(std::move(text), true);
    expr.value = Value::of_text(&expr.text);
    return &expr;
  }
  if (stream_.at(TokenKind::integer) || stream_.at(TokenKind::number)) {
    return number(stream_.take());
  }
  if (stream_.skip_symbol("(")) {
    if (stream_.skip_symbol(")")) return finish(node(Expr::Kind::tuple));
    BATON_TRY(inner, expression_or_tuple());
    BATON_CHECKED(stream_.expect_symbol(")"));
    return inner;
  }
  if (stream_.skip_symbol("[")) return list();
  if (stream_.skip_symbol("{")) return dict();
  return stream_.unexpected("an expression");
}

Parsed ExprParser::list() {
  Expr& expr = node(Expr::Kind::list);
  while (!stream_.skip_symbol("]")) {
    if (!expr.args.empty()) BATON_CHECKED(stream_.expect_symbol(","));
    if (stream_.skip_symbol("]")) break;
    BATON_TRY(item, expression());
    expr.args.push_back(item);
  }
  return finish(expr);
}

Parsed ExprParser::dict() {
  Expr& expr = node(Expr::Kind::dict);
  while (!stream_.skip_symbol("}")) {
    if (!expr.args.empty()) BATON_CHECKED(stream_.expect_symbol(","));
    if (stream_.skip_symbol("}")) break;
    BATON_TRY(key, expression());
    BATON_CHECKED(stream_.expect_symbol(":"));
    BATON_TRY(value, expression());
    expr.args.push_back(key), expr.args.push_back(value);
  }
  return finish(expr);
}

// After '(': the arguments of a call, up to and with ')'.
Result<void> ExprParser::arguments(Expr& call) {
  for (bool first = true; !stream_.skip_symbol(")"); first = false) {
    if (!first) BATON_CHECKED(stream_.expect_symbol(","));
    if (stream_.skip_symbol(")")) return {};
    if (call.args.size() + call.named.size() > arguments_max) {
      return stream_.unexpected("fewer arguments");
    }
    const bool named = stream_.at(TokenKind::name) && stream_.ahead(1).kind == TokenKind::symbol &&
                       stream_.ahead(1).text == "=";
    if (named) {
      std::string name = stream_.take().text;
      stream_.take();
      BATON_TRY(value, expression());
      call.named.emplace_back(std::move(name), value);
    } else {
      if (!call.named.empty()) return stream_.unexpected("a named argument");
      BATON_TRY(value, expression());
      call.args.push_back(value);
    }
  }
  return {};
}

Parsed ExprParser::postfix(const Expr* inner) {
  while (true) {
    if (stream_.skip_symbol(".")) {
      const bool number = stream_.at(TokenKind::integer);
      Expr& expr = node(number ? Expr::Kind::item : Expr::Kind::attribute);
      expr.args = {inner};
      if (number) {
        BATON_TRY(index, this->number(stream_.take()));
        expr.args.push_back(index);
      } else {
        BATON_TRY(name, stream_.expect_name());
        expr.name = name;
      }
      BATON_TRY(done, finish(expr));
      inner = done;
    } else if (stream_.skip_symbol("[")) {
      BATON_TRY(done, subscript(inner));
      inner = done;
    } else if (stream_.skip_symbol("(")) {
      Expr& expr = node(Expr::Kind::call);
      expr.args = {inner};
      BATON_CHECKED(arguments(expr));
      BATON_TRY(done, finish(expr));
      inner = done;
    } else {
      return inner;
    }
  }
}

Parsed ExprParser::subscript(const Expr* inner) {
  Expr& expr = node(Expr::Kind::item);
  const Expr* parts[3] = {nullptr, nullptr, nullptr};
  int colons = 0;
  while (!stream_.skip_symbol("]")) {
    if (stream_.skip_symbol(":")) {
      if (++colons > 2) return stream_.unexpected("]");
    } else if (parts[colons]) {
      return stream_.unexpected("]");
    } else {
      BATON_TRY(part, expression());
      parts[colons] = part;
    }
  }
  if (colons == 0 && !parts[0]) return stream_.unexpected("an index");
  expr.args = {inner, parts[0]};
  if (colons > 0) {
    expr.kind = Expr::Kind::slice;
    expr.args = {inner, parts[0], parts[1], parts[2]};
  }
  return finish(expr);
}

Parsed ExprParser::first_filter(const Expr* inner) {
  Expr& expr = node(Expr::Kind::filter);
  BATON_TRY(name, stream_.expect_name());
  expr.name = name;
  expr.args = {inner};
  if (stream_.skip_symbol("(")) BATON_CHECKED(arguments(expr));
  BATON_TRY(done, finish(expr));
  return filters(done);
}

Parsed ExprParser::filters(const Expr* inner) {
  while (true) {
    if (stream_.skip_symbol("|")) {
      Expr& expr = node(Expr::Kind::filter);
      BATON_TRY(name, stream_.expect_name());
      expr.name = name;
      expr.args = {inner};
      if (stream_.skip_symbol("(")) BATON_CHECKED(arguments(expr));
      BATON_TRY(done, finish(expr));
      inner = done;
    } else if (stream_.skip_name("is")) {
      BATON_TRY(done, test(inner));
      inner = done;
    } else {
      return inner;
    }
  }
}

Parsed ExprParser::test(const Expr* inner) {
  const bool negated = stream_.skip_name("not");
  Expr& expr = node(Expr::Kind::test);
  BATON_TRY(name, stream_.expect_name());
  expr.name = name;
  expr.args = {inner};
  if (stream_.skip_symbol("(")) {
    BATON_CHECKED(arguments(expr));
  } else {
    const bool word = stream_.at(TokenKind::name);
    const auto& text = stream_.current().text;
    const bool ends = word && (text == "else" || text == "or" || text == "and" || text == "if" ||
                               text == "is" || text == "in" || text == "not");
    const bool argument = (word && !ends) || stream_.at(TokenKind::string) ||
                          stream_.at(TokenKind::integer) || stream_.at(TokenKind::number) ||
                          stream_.at_symbol("(") || stream_.at_symbol("[") ||
                          stream_.at_symbol("{");
    if (argument) {
      BATON_TRY(value, primary());
      BATON_TRY(after, postfix(value));
      expr.args.push_back(after);
    }
  }
  BATON_TRY(done, finish(expr));
  if (!negated) return done;
  Expr& negation = node(Expr::Kind::negation);
  negation.args = {done};
  return finish(negation);
}

}  // namespace baton::text::jinja

#include "model/constraint/languages/formats.h"

namespace baton::constraint {

namespace {

const std::string kDate = R"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|)"
                          R"((0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])))";
const std::string kTime =
    R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))";
const std::string kLabel = R"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)";
const std::string kByte = R"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
const std::string kTimeSpan = R"(T(\d{1,6}H(\d{1,6}M(\d{1,6}S)?)?|\d{1,6}M(\d{1,6}S)?|\d{1,6}S))";
const std::string kDaySpan = R"((\d{1,6}D|\d{1,6}M(\d{1,6}D)?|\d{1,6}Y(\d{1,6}M(\d{1,6}D)?)?))";

}  // namespace

std::optional<std::string> format_pattern(std::string_view format) {
  if (format == "date") return kDate;
  if (format == "time") return kTime;
  if (format == "date-time") return kDate + "T" + kTime;
  if (format == "duration")
    return "P(" + kDaySpan + "(" + kTimeSpan + ")?|" + kTimeSpan + R"(|\d{1,6}W))";
  if (format == "uuid")
    return "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
  if (format == "email")
    return R"([A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*)"
           R"(@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24})";
  if (format == "hostname") return kLabel + R"((\.)" + kLabel + "){0,3}";
  if (format == "ipv4") return "(" + kByte + R"(\.){3})" + kByte;
  if (format == "ipv6") return "([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}";
  if (format == "uri")
    return R"([A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9._~!$&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})+)";
  return std::nullopt;
}

}  // namespace baton::constraint

#include "server/api/answer/chunk_stream.h"

#include "server/api/json_text.h"

namespace baton::server::api {

ChunkStream::ChunkStream(const Prepared& prepared, const TextModel& model, const AnswerName& name,
                         std::string_view prefix, std::string_view object)
    : AnswerBase(prepared, model, name),
      head_("data: " + head(prefix, object) + ",\"choices\":[") {}

void ChunkStream::begin_event(size_t index, std::string& out) const {
  out += head_;
  out += "{\"index\":";
  append_json_number(out, uint64_t{index});
}

void ChunkStream::end_event(size_t index, bool first, std::string& out) const {
  out += "}]";
  if (first && options_.token_ids) {
    out += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids[index / options_.choices]);
  }
  if (options_.continuous_usage) out += ",\"usage\":" + usage_json(totals());
  out += "}\n\n";
}

void ChunkStream::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  for (size_t i = 0; options_.scores_only && i < choices_.size(); ++i) scored(i, out);
  if (options_.include_usage || !explain.empty()) {
    out += head_;
    out += ']';
    if (options_.include_usage) out += ",\"usage\":" + usage_json(totals());
    append_explain(out, explain);
    out += "}\n\n";
  }
  out += kDoneEvent;
}

void ChunkStream::fail(const ApiError& error, std::string& out) {
  append_event(out, error_json(error));
  out += kDoneEvent;
}

}  // namespace baton::server::api

// What all dialects of generation share: sampling, ends, reports. Thread safety: pure functions.
#pragma once

#include "server/api/request/fields.h"
#include "server/api/request/generate_request.h"

namespace baton::server::api {

// The model, what is refused by name everywhere, and the fields of sampling, ending and reporting
// as OpenAI, vLLM, SGLang and llama-server name them.
void read_shared_fields(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                        GenerateRequest& request);

// "stop": a string or a list of strings; also under another dialect's name.
void read_stop_strings(Fields& fields, const char* name, const ApiLimits& limits, StopParams& stop);

// The thinking switch under all its names: chat_template_kwargs, thinking, enable_thinking,
// reasoning_effort, reasoning.
void read_thinking(Fields& fields, GenerateRequest& request);

// Whether the assistant's last message is to be gone on with; three clients say it in three ways.
// After the messages.
void read_go_on(Fields& fields, GenerateRequest& request);

// What another dialect's body says in a chat's words: all of the above but `others`, names that
// mean another thing there.
void read_fields_of_chat(Fields& fields, std::initializer_list<const char*> others,
                         const ModelFacts& model, const ApiLimits& limits,
                         GenerateRequest& request);

// The end of a body: its first mistake; what nobody has asked for goes to request.unknown, or is
// refused if fields must be known.
ApiResult<void> finish_fields(Fields& fields, const ApiLimits& limits, GenerateRequest& request);

// Refuses a request that asks for no tokens without asking for scores.
void check_asks_for_something(Fields& fields, const GenerateRequest& request);

}  // namespace baton::server::api

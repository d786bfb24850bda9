// JobPages: the pages of a job: those that the prefix cache has, and own ones for the rest.
//
// On entry in the window a job takes what is known of its prompt: full pages by reference, and what
// is known of the next page either by reference, if the job needs no more of that page, or by a
// copy into its first own page (copy on write). While it computes, a page that somebody else has
// completed meanwhile takes the place of the own one that was still empty. Each page that is
// complete is published at once, so others can take it long before the job ends; what a job has
// published stays in the cache when the job ends, however it ends. A job that wants its prompt
// scored takes nothing: its scores come from computing. Pure functions over their arguments.
#pragma once

#include "kvcache/prefix/prefix_cache.h"
#include "prefill/events.h"
#include "prefill/job.h"

namespace baton::prefill {

// The name of the job's page number `page`; nullptr if there is no such page.
const kvcache::PageName* name_of_page(const Job& job, uint32_t page);

// Takes what is known and own pages for the rest; `copy` says what to copy before anything else.
// False: there is no room, and nothing is held.
bool hold_pages(kvcache::PrefixCache& cache, Job& job, std::optional<CopyPage>& copy);

// The job stands at the beginning of a page: takes all pages that are known from there on in place
// of its own. True if there was one.
bool take_known_pages(kvcache::PrefixCache& cache, Job& job);

// Publishes the pages that have become complete.
void publish_pages(kvcache::PrefixCache& cache, Job& job);

// Lets everything go; the job begins anew if it comes again.
void release_pages(kvcache::PrefixCache& cache, Job& job);

}  // namespace baton::prefill

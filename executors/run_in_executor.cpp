// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/run_in_executor.hpp>

#include "core/sched/scheduler.hpp"

#include <stdexcept>

namespace coir {
namespace {

// The runtime keeps the executor without knowing what it is, and shuts it down at its end, whoever else refers to it.
detail::scheduler::attachment as_attachment(std::shared_ptr<executor> const& where) {
    return {std::shared_ptr<void>(where, where.get()), [](void* object) {
                auto& ended = *static_cast<executor*>(object);
                try {
                    ended.shutdown();
                } catch (invalid_state const&) {
                    ended.shutdown({.wait = false});  // the runtime lives in a job of this executor
                }
            }};
}

}  // namespace

std::shared_ptr<executor> detail::default_executor() {
    scheduler& home = current_scheduler();
    std::shared_ptr<void> const kept =
        home.attachment_or_make([] { return as_attachment(std::make_shared<thread_pool_executor>()); });
    return std::shared_ptr<executor>(kept, static_cast<executor*>(kept.get()));
}

void set_default_executor(std::shared_ptr<executor> where) {
    if (!where) {
        throw std::invalid_argument("coir::set_default_executor: there is no executor to set");
    }
    detail::current_scheduler().set_attachment(as_attachment(where));
}

}  // namespace coir

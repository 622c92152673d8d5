// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task_group.hpp>

#include <coir/core/task/wait_many.hpp>

#include <algorithm>
#include <mutex>
#include <optional>

namespace coir {
namespace {

using detail::shared_state_base;
using detail::task_base;

// Ended well: nothing to wait for and nothing to tell.
bool is_over(detail::state_ptr<task_base> const& child) noexcept {
    return child->is_done() && (!child->has_error() || child->was_cancelled());
}

void request_end(std::vector<detail::state_ptr<task_base>> const& children) {
    for (auto const& child : children) {
        child->request_cancel("the group was cancelled");
    }
}

void throw_together(std::vector<std::exception_ptr> failures) {
    if (failures.size() == 1) {
        std::rethrow_exception(failures.front());
    }
    if (!failures.empty()) {
        throw exception_group(std::move(failures));
    }
}

}  // namespace

task_group::~task_group() {
    cancel_shield const shield;
    abort();
    await_children();
}

// Before the child can run: in a group that is over it never does.
void task_group::add(task_base& child) {
    bool cancel_it = false;
    {
        std::lock_guard const guard(lock_);
        if (children_.size() >= prune_at_) {
            std::erase_if(children_, is_over);
            prune_at_ = std::max<std::size_t>(64, 2 * children_.size());
        }
        children_.push_back(detail::state_ptr<task_base>::share(&child));
        cancel_it = cancelled_ || failed_;
    }
    if (cancel_it) {
        child.request_cancel("the group was cancelled");
    }
}

void task_group::cancel() {
    child_list children;
    {
        std::lock_guard const guard(lock_);
        cancelled_ = true;
        children = children_;  // whoever comes later is cancelled by add()
    }
    request_end(children);
}

// A child that is cleaning up must not be disturbed by a second request.
void task_group::abort() noexcept {
    child_list children;
    {
        std::lock_guard const guard(lock_);
        if (failed_ || std::exchange(cancelled_, true)) {
            return;
        }
        children = children_;
    }
    request_end(children);
}

// In the child that fails, before its end is seen: the group is alive, because it waits for this child.
void task_group::on_failure() noexcept {
    detail::state_ptr<task_base> host;
    child_list children;
    {
        std::lock_guard const guard(lock_);
        if (std::exchange(failed_, true)) {
            return;
        }
        if (host_) {
            host = host_;
            interrupted_host_ = true;
        }
        if (!cancelled_) {
            children = children_;
        }
    }
    task_base* const self = detail::current_task_or_null();
    for (auto const& child : children) {
        if (child.get() != self) {
            child->request_cancel("a sibling failed");
        }
    }
    if (host) {
        host->request_cancel("a child failed");
    }
}

// True if a cancellation of the calling task came while children were still alive; it has not been delivered.
bool task_group::await_children() {
    std::optional<cancel_shield> shield;  // from the first one on
    for (;;) {
        std::vector<shared_state_base*> pending;
        child_list children;
        {
            std::lock_guard const guard(lock_);
            children = children_;
        }
        for (auto const& child : children) {
            if (!child->is_done()) {
                pending.push_back(child.get());
            }
        }
        if (pending.empty()) {
            return shield.has_value();
        }
        detail::wait_many wait(pending, detail::wait_many::until::all);
        if (wait.run()) {
            abort();
            shield.emplace();
        }
    }
}

std::vector<std::exception_ptr> task_group::collect_failures() {
    child_list children;
    {
        std::lock_guard const guard(lock_);
        children.swap(children_);
        failed_ = false;
        cancelled_ = false;
    }
    std::vector<std::exception_ptr> failures;
    for (auto const& child : children) {
        if (child->has_error() && !child->was_cancelled()) {
            failures.push_back(child->error());
        }
    }
    return failures;
}

void task_group::wait() {
    bool const interrupted = await_children();
    throw_together(collect_failures());
    if (interrupted) {
        detail::throw_if_cancel_pending();
    }
}

void task_group::begin_scope() {
    task_base* const self = detail::current_task_or_null();
    if (self == nullptr) {
        throw no_running_runtime("coir::scope needs a task: call this from inside coir::run or runtime::block_on");
    }
    host_ = detail::state_ptr<task_base>::share(self);
    requests_at_entry_ = self->cancelling();
    pending_at_entry_ = self->cancel_is_pending();
}

void task_group::end_scope(std::exception_ptr body_error, bool body_was_cancelled) {
    task_base& self = *host_;
    if (body_error) {
        abort();
    }
    bool const interrupted = await_children();
    bool ours = false;
    {
        std::lock_guard const guard(lock_);
        host_ = {};  // nobody interrupts the body from here on
        ours = interrupted_host_;
    }
    bool const from_outside =
        ours ? self.take_back_own_request(requests_at_entry_, pending_at_entry_) : body_was_cancelled || interrupted;
    std::vector<std::exception_ptr> failures = collect_failures();
    // A body that lets the exception of a child pass (by get()) has not failed on its own.
    bool const is_of_a_child = std::ranges::find(failures, body_error) != failures.end();
    if (body_error && !body_was_cancelled && !is_of_a_child) {
        failures.insert(failures.begin(), body_error);
    }
    if (!failures.empty()) {
        if (from_outside && body_was_cancelled) {
            self.rearm_cancel();
        }
        throw_together(std::move(failures));
    }
    if (body_was_cancelled) {
        std::rethrow_exception(body_error);
    }
    if (interrupted) {
        detail::throw_if_cancel_pending();
    }
}

}  // namespace coir

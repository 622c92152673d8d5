// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task_group.hpp>

#include <coir/core/task/wait_many.hpp>

#include <algorithm>
#include <functional>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>

namespace coir {
namespace {

using detail::shared_state_base;
using detail::task_base;

// Ended well: nothing to wait for and nothing to tell.
bool is_over(detail::state_ptr<task_base> const& child) noexcept {
    return child->is_done() && (!child->has_error() || child->was_cancelled());
}

void request_end(std::vector<detail::state_ptr<task_base>> const& children) noexcept {
    auto const reason = detail::keep_reason("the group was cancelled");
    for (auto const& child : children) {
        child->request_cancel(reason);
    }
}

bool has_failed(detail::state_ptr<task_base> const& child) noexcept {
    return child->is_done() && child->has_error() && !child->was_cancelled();
}

// As wait_many does for many, without its memory. True if a cancellation of the calling task ended the wait, or was pending.
bool await_one(shared_state_base& state) {
    detail::wait_point wait(detail::cancel_policy::only_interrupt);
    task_base* const self = detail::current_task_or_null();
    if (self != nullptr && self->cancel_is_due()) {
        return true;
    }
    detail::join_node node(wait.who());
    if (!state.add(node)) {
        return false;
    }
    bool const cancelled = wait.suspend() == detail::wake_reason::cancelled;
    state.erase(node);
    return cancelled;
}

}  // namespace

task_group::~task_group() {
    cancel_shield const shield;
    abort();
    await_children(true);
}

// Before the child can run: in a group that is over it never does.
void task_group::add(task_base& child) {
    bool cancel_it = false;
    child_list ended;  // to let go of without the lock: results are the user's
    {
        std::lock_guard const guard(lock_);
        if (children_.size() >= prune_at_) {
            ended.reserve(static_cast<std::size_t>(std::ranges::count_if(children_, is_over)));
            auto const first = std::stable_partition(children_.begin(), children_.end(), std::not_fn(is_over));
            ended.assign(std::move_iterator(first), std::move_iterator(children_.end()));
            children_.erase(first, children_.end());
            prune_at_ = std::max<std::size_t>(64, 2 * children_.size());
        }
        if (spare_.capacity() <= children_.size()) {
            spare_.reserve(std::max<std::size_t>(8, 2 * children_.size()));
        }
        children_.push_back(detail::state_ptr<task_base>::share(&child));
        cancel_it = cancelled_ || failed_;
    }
    if (cancel_it) {
        child.request_cancel(detail::keep_reason("the group was cancelled"));
    }
}

// `mark` is set together with the copy being made. Throws std::bad_alloc before that.
void task_group::copy_children(child_list& to, bool& mark) {
    for (std::size_t room = 0;; to.reserve(room)) {
        std::lock_guard const guard(lock_);
        room = children_.size();
        if (room <= to.capacity()) {
            to.assign(children_.begin(), children_.end());
            mark = true;
            return;
        }
    }
}

// Under the lock, once between two wait()s: by the failure or the end of the group, whichever comes first.
task_group::child_list task_group::children_without_failing() noexcept {
    child_list children = std::move(spare_);
    children.assign(children_.begin(), children_.end());  // add() has made the room
    return children;
}

void task_group::cancel() {
    child_list children;
    copy_children(children, cancelled_);  // whoever comes later is cancelled by add()
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
        children = children_without_failing();
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
            children = children_without_failing();
        }
    }
    task_base* const self = detail::current_task_or_null();
    auto const reason = detail::keep_reason("a sibling failed");
    for (auto const& child : children) {
        if (child.get() != self) {
            child->request_cancel(reason);
        }
    }
    if (host) {
        // A request from outside, which end_scope() makes pending again, keeps its reason.
        bool const others = host->cancelling() > requests_at_entry_;
        host->request_cancel(others ? host->reason_of_request() : detail::keep_reason("a child failed"));
    }
}

// `aborted`: they were cancelled. True if a cancellation of the calling task came while children were still alive; it
// has not been delivered.
bool task_group::await_children(bool aborted) {
    std::optional<cancel_shield> shield;  // from the first one on
    for (;;) {
        switch (await_some(aborted)) {
        case awaited::nobody:
            return shield.has_value();
        case awaited::somebody:
            break;
        case awaited::interrupted:
            abort();
            aborted = true;
            shield.emplace();
            break;
        }
    }
}

// For all that have not ended; without the memory to do that at once, for one of them. Of those that were cancelled one
// may wait for the calling task's own end: await_end() sees to it that it does no longer.
task_group::awaited task_group::await_some(bool aborted) {
    task_base* const self = aborted ? detail::current_task_or_null() : nullptr;
    try {
        child_list children;
        bool copied = false;
        copy_children(children, copied);
        std::vector<shared_state_base*> pending;
        for (auto const& child : children) {
            if (!child->is_done()) {
                pending.push_back(child.get());
            }
        }
        if (pending.empty()) {
            return awaited::nobody;
        }
        if (self != nullptr) {
            for (shared_state_base* const child : pending) {
                self->await_end(*child, false);
            }
            return awaited::somebody;
        }
        detail::wait_many wait(pending, detail::wait_many::until::all);
        return wait.run() ? awaited::interrupted : awaited::somebody;
    } catch (std::bad_alloc const&) {
        // As follows.
    }
    detail::state_ptr<task_base> next;
    {
        std::lock_guard const guard(lock_);
        auto const running = std::ranges::find_if(children_, [](auto const& child) { return !child->is_done(); });
        if (running == children_.end()) {
            return awaited::nobody;
        }
        next = *running;
    }
    if (self != nullptr) {
        self->await_end(*next, false);
        return awaited::somebody;
    }
    return await_one(*next) ? awaited::interrupted : awaited::somebody;
}

// The failures of all children that have ended, and that of the body, if it has failed on its own: as what is to be
// thrown, or null. Afterwards the group is as new, but for those who have been spawned since. Throws std::bad_alloc with
// nothing changed: then nobody has retrieved them.
std::exception_ptr task_group::take_failures(std::exception_ptr body_error) {
    child_list children;
    {
        std::lock_guard const guard(lock_);
        if (std::ranges::all_of(children_, is_over)) {
            children.swap(children_);
            failed_ = false;
            cancelled_ = false;
            return body_error;
        }
    }
    bool copied = false;
    copy_children(children, copied);
    std::erase_if(children, [](auto const& child) { return !child->is_done(); });  // spawned since all had ended
    std::vector<std::exception_ptr> failures;
    for (auto const& child : children) {
        if (has_failed(child)) {
            failures.push_back(child->peek_error());
        }
    }
    if (body_error && std::ranges::find(failures, body_error) == failures.end()) {
        failures.insert(failures.begin(), std::move(body_error));
    }
    std::exception_ptr result = failures.empty() ? nullptr : failures.front();
    if (failures.size() > 1) {
        exception_group together(std::move(failures));
        try {
            throw exception_group(std::move(together));
        } catch (...) {
            result = std::current_exception();
        }
    }
    forget(children);
    for (auto const& child : children) {
        if (has_failed(child)) {
            child->mark_retrieved();
        }
    }
    return result;
}

// `known` were children, all of which have ended. Since then add() may have let go of some of them, and others may have come or
// ended: those stay. Throws std::bad_alloc with nothing changed.
void task_group::forget(child_list const& known) {
    std::vector<task_base const*> sorted;
    sorted.reserve(known.size());
    for (auto const& child : known) {
        sorted.push_back(child.get());
    }
    std::ranges::sort(sorted);
    auto const stays = [&sorted](auto const& child) { return !std::ranges::binary_search(sorted, child.get()); };
    std::lock_guard const guard(lock_);
    auto const left = static_cast<std::size_t>(std::ranges::count_if(children_, stays));
    if (spare_.capacity() < left) {
        spare_.reserve(left);
    }
    std::erase_if(children_, std::not_fn(stays));
    failed_ = std::ranges::any_of(children_, has_failed);
    cancelled_ = false;
}

bool task_group::has_children() noexcept {
    std::lock_guard const guard(lock_);
    return !children_.empty();
}

// When there is no memory for more: the others go to on_unhandled_exception.
std::exception_ptr task_group::first_failure() noexcept {
    std::lock_guard const guard(lock_);
    auto const failed = std::ranges::find_if(children_, has_failed);
    return failed != children_.end() ? (*failed)->error() : nullptr;
}

void task_group::wait() {
    bool interrupted = false;
    do {
        interrupted = await_children() || interrupted;
        if (auto const failure = take_failures(nullptr)) {
            std::rethrow_exception(failure);
        }
    } while (has_children());
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
    bool interrupted = await_children();
    bool ours = false;
    {
        std::lock_guard const guard(lock_);
        host_ = {};  // nobody interrupts the body from here on
        ours = interrupted_host_;
    }
    bool const from_outside =
        ours ? self.take_back_own_request(requests_at_entry_, pending_at_entry_) : body_was_cancelled || interrupted;
    // A body that lets the exception of a child pass (by get()) has not failed on its own.
    std::exception_ptr const of_body = body_was_cancelled ? nullptr : body_error;
    std::exception_ptr failure;
    for (;;) {
        try {
            failure = take_failures(of_body);
        } catch (std::bad_alloc const&) {
            failure = of_body ? of_body : first_failure();
            break;
        }
        if (failure || !has_children()) {
            break;
        }
        interrupted = await_children() || interrupted;
    }
    if (failure) {
        if (from_outside && body_was_cancelled) {
            self.rearm_cancel();
        }
        std::rethrow_exception(failure);
    }
    if (body_was_cancelled) {
        std::rethrow_exception(body_error);
    }
    if (interrupted) {
        detail::throw_if_cancel_pending();
    }
}

}  // namespace coir

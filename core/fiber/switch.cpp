// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/switch.hpp"

#include <coir/core/base/assert.hpp>

#include <boost/context/detail/fcontext.hpp>

namespace coir::detail {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

COIR_ALWAYS_INLINE __attribute__((no_sanitize("thread"))) fiber_thread* arrive(transfer_t const& transfer) noexcept {
    auto* const thread = static_cast<fiber_thread*>(transfer.data);
    thread->previous->context = transfer.fctx;
    return thread;
}

}  // namespace

void fiber_thread::attach_to_this_thread() noexcept {
    eh = thread_eh_state();
    native.sanitizer.attach_to_thread();
    current = &native;
}

// Not instrumented by TSan: see sanitizer.hpp. noipa: nothing that the caller knows of the thread survives the call.
COIR_NOIPA __attribute__((no_sanitize("thread"))) fiber_thread* switch_fiber(fiber_thread* thread, fiber& to,
                                                                             leaving how) noexcept {
    fiber* const self = thread->current;
    eh_state const saved = *thread->eh;
    thread->previous = self;
    thread->current = &to;
    self->sanitizer.leave_for(to.sanitizer, how == leaving::dies);
    transfer_t const transfer = jump_fcontext(to.context, thread);
    fiber_thread* const arrived = arrive(transfer);
    *arrived->eh = saved;
    self->sanitizer.arrive_from(arrived->previous->sanitizer);
    return arrived;
}

namespace {

// The first thing that runs on a new stack. Its frame lies under every task that this fiber ever runs.
[[noreturn]] void start(transfer_t transfer) {
    fiber_thread* const thread = arrive(transfer);
    *thread->eh = eh_state{};
    thread->current->sanitizer.arrive_from(thread->previous->sanitizer);
    thread->current->entry(thread);
    invariant_failed("a fiber's entry returned", __FILE__, __LINE__);
}

}  // namespace

void prepare_fiber(fiber& target, void (*entry)(fiber_thread*)) {
    target.entry = entry;
    target.sanitizer.attach(target.memory.base, target.memory.size);
    // A fiber usually lies at the top of its own stack, which then begins below it.
    auto* const self = reinterpret_cast<std::byte*>(&target);
    bool const on_its_stack = self >= target.memory.base && self < target.memory.top();
    std::byte* const top = on_its_stack ? self : target.memory.top();
    target.context = make_fcontext(top, static_cast<std::size_t>(top - target.memory.base), &start);
}

}  // namespace coir::detail

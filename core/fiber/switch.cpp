// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/switch.hpp"

#include <coir/core/base/assert.hpp>

#include <boost/context/detail/fcontext.hpp>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace coir::detail {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// jump_fcontext() takes its return address off the stack and jumps there. The call that put it there then stays without
// its return in the processor's return predictor, which from there on is off by one, and every return on the way out
// of the switch is mispredicted: some four nanoseconds each. So it is entered by a jump, out of a function that
// returns: calls and returns stay in pairs, as both sides of a switch have usually been left at the same place.
// Not in sanitizer builds, which put calls of their own into every function.
#if defined(__x86_64__) && !COIR_ASAN && !COIR_TSAN
__attribute__((naked, used, noinline)) transfer_t jump(fcontext_t, void*) {
    asm("leaq 1f(%rip), %rax\n\t"
        "pushq %rax\n\t"
        ".cfi_adjust_cfa_offset 8\n\t"
        "jmp jump_fcontext@PLT\n"
        "1:\n\t"
        ".cfi_adjust_cfa_offset -8\n\t"
        "endbr64\n\t"
        "ret");
}
#else
COIR_ALWAYS_INLINE transfer_t jump(fcontext_t to, void* data) noexcept {
    return boost::context::detail::jump_fcontext(to, data);
}
#endif

COIR_ALWAYS_INLINE __attribute__((no_sanitize("thread"))) fiber_thread* arrive(transfer_t const& transfer) noexcept {
    auto* const thread = static_cast<fiber_thread*>(transfer.data);
    thread->previous->context = transfer.fctx;
    return thread;
}

}  // namespace

void fiber_thread::attach_to_this_thread(fiber& own) noexcept {
    eh = thread_eh_state();
    own.sanitizer.attach_to_thread();
    native = &own;
    current = native;
}

// Not instrumented by TSan: see sanitizer.hpp. noipa: nothing that the caller knows of the thread survives the call.
COIR_NOIPA __attribute__((no_sanitize("thread"))) fiber_thread* switch_fiber(fiber_thread* thread, fiber& to,
                                                                             leaving how) noexcept {
    fiber* const self = thread->current;
    // Member by member: copied as one block, the record would be loaded in 16 bytes from where 8 and 4 have just been
    // stored, which the processor cannot forward: a stall of some 13 cycles in every switch.
    void* const caught_exceptions = thread->eh->caught_exceptions;
    unsigned int const uncaught_exceptions = thread->eh->uncaught_exceptions;
    thread->previous = self;
    thread->current = &to;
    self->sanitizer.leave_for(to.sanitizer, how == leaving::dies);
    transfer_t const transfer = jump(to.context, thread);
    fiber_thread* const arrived = arrive(transfer);
    arrived->eh->caught_exceptions = caught_exceptions;
    arrived->eh->uncaught_exceptions = uncaught_exceptions;
    self->sanitizer.arrive_from(arrived->previous->sanitizer);
    return arrived;
}

namespace {

// A switch loads the floating-point control word as the fiber was left with it, and with that the flags of what the fiber
// has computed. Intel's processors take 27 ns for it if it changes anything, and 2 otherwise. What nearly all computing
// raises, and nobody takes back, is "inexact": so every fiber has it raised from the beginning. No promise is broken, as
// flags do not survive a call.
void raise_inexact() noexcept {
#if defined(__x86_64__)
    constexpr unsigned k_inexact = 0x20;
    _mm_setcsr(_mm_getcsr() | k_inexact);
#endif
}

// The first thing that runs on a new stack. Its frame lies under every task that this fiber ever runs.
[[noreturn]] void start(transfer_t transfer) {
    fiber_thread* const thread = arrive(transfer);
    raise_inexact();
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

// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/overflow.hpp"

#include "core/fiber/fault_chain.hpp"
#include "core/fiber/memory.hpp"
#include "core/fiber/slab.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/errno_of.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

// Roles
//   installer  the thread that calls install_overflow_handler() first
//   handler    any thread, at any instruction: walks the slabs, takes no lock
//
// Invariant: the handler changes nothing that the interrupted code can see, errno included, unless it ends the process.

namespace coir::detail {
namespace {

// Room for the handlers that we chain to: those of crash reporters walk the stack and look up symbols. Only touched
// pages cost memory. Guessed; AddressSanitizer takes half of it for its own.
constexpr std::size_t k_signal_stack_size = std::size_t{64} * 1024;
constexpr std::size_t k_longest_name = 256;

std::atomic<task_name_hook> name_hook{nullptr};

constinit fault_chain segmentation_faults{SIGSEGV};
constinit fault_chain bus_errors{SIGBUS};

// --- Was it an overflow? ---------------------------------------------------------------------------------------------

// The slab in whose guards the fault lies, if it was the stack above that very guard that grew into it. A stray pointer
// from elsewhere, or a write past the top of the stack below, is another bug and must not be called an overflow.
slab const* overflowed(::siginfo_t const& info, void const* context) noexcept {
    slab const* const home = is_fault(info) ? slab::find(info.si_addr) : nullptr;
    if (home == nullptr) {
        return nullptr;
    }
    auto const& geometry = home->geometry();
    auto const low = reinterpret_cast<std::uintptr_t>(home->base());
    auto const fault = reinterpret_cast<std::uintptr_t>(info.si_addr) - low;
    auto const sp = registers_in(context).sp - low;
    bool const in_guard = fault % geometry.stride < geometry.guard;
    return in_guard && sp / geometry.stride == fault / geometry.stride ? home : nullptr;
}

// --- Saying so -------------------------------------------------------------------------------------------------------

class line {
public:
    void append(std::string_view text) noexcept {
        auto const count = std::min(text.size(), text_.size() - size_);
        std::memcpy(text_.data() + size_, text.data(), count);
        size_ += count;
    }

    void append(std::size_t number) noexcept {
        std::array<char, 20> digits;
        auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
        append({digits.data(), static_cast<std::size_t>(end - digits.data())});
    }

    void write_to(int descriptor) const noexcept {
        // Nothing is left to do if nobody can be told; the signal still tells what happened.
        [[maybe_unused]] auto const written = ::write(descriptor, text_.data(), size_);
    }

private:
    std::array<char, k_longest_name + 128> text_;
    std::size_t size_ = 0;
};

void report(slab const& home) noexcept {
    std::array<char, k_longest_name> name;
    auto const hook = name_hook.load(std::memory_order_acquire);  // partner: set_task_name_hook
    auto const length = hook == nullptr ? 0 : std::min(hook(name.data(), name.size()), name.size());
    // A name is the user's: it must not be able to end the line or to drive the terminal.
    std::replace_if(
        name.begin(), name.begin() + length, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');

    line text;
    if (length > 0) {
        text.append("coir: task '");
        text.append({name.data(), length});
        text.append("' overflowed its ");
    } else {
        text.append("coir: a task overflowed its ");
    }
    text.append(home.geometry().nominal / 1024);
    text.append(" KiB stack\n");
    text.write_to(STDERR_FILENO);
}

// --- The handler -----------------------------------------------------------------------------------------------------

void on_fault(int signal, ::siginfo_t* info, void* context) {
    int const saved_errno = errno;  // of the interrupted code, which may be about to read it
    fault_chain& chain = signal == segmentation_faults.signal() ? segmentation_faults : bus_errors;
    if (slab const* const home = overflowed(*info, context)) {
        report(*home);
        chain.take_default_action();
    } else {
        chain.pass_on(info, context);
    }
    errno = saved_errno;
}

}  // namespace

void set_task_name_hook(task_name_hook hook) noexcept {
    name_hook.store(hook, std::memory_order_release);  // partner: report()
}

void install_overflow_handler() noexcept {
    static std::once_flag installed;
    std::call_once(installed, [] {
        segmentation_faults.install(on_fault);
        bus_errors.install(on_fault);
    });
}

// The kernel tells how much one signal frame takes on this machine: with wide vector registers more than all of a classic
// signal stack.
signal_stack_memory::signal_stack_memory()
    : mapped_(whole_pages(k_signal_stack_size + ::getauxval(AT_MINSIGSTKSZ)) + page_size()), guard_(page_size()) {
    auto const memory = map_memory(mapped_);
    if (!memory) {
        throw std::system_error(memory.error, std::generic_category(), "coir: cannot map a signal stack");
    }
    if (int const error = errno_of(::mprotect, memory.value, guard_, PROT_NONE).error; error != 0) {
        ::munmap(memory.value, mapped_);
        throw std::system_error(error, std::generic_category(), "coir: cannot guard a signal stack");
    }
    mapping_ = memory.value;
}

signal_stack_memory::~signal_stack_memory() {
    ::munmap(mapping_, mapped_);
}

alternate_signal_stack::alternate_signal_stack(signal_stack_memory const& memory) noexcept {
    ::stack_t current{};
    auto const asked = errno_of(::sigaltstack, nullptr, &current);
    COIR_VERIFY(asked);
    if ((current.ss_flags & SS_DISABLE) == 0) {
        return;
    }
    ::stack_t ours{};
    ours.ss_sp = memory.base();
    ours.ss_size = memory.size();
    auto const installed = errno_of(::sigaltstack, &ours, nullptr);
    COIR_VERIFY(installed);  // refused only on a signal stack, or for one that is too small
    installed_ = ours.ss_sp;
}

alternate_signal_stack::~alternate_signal_stack() {
    if (installed_ == nullptr) {
        return;
    }
    ::stack_t current{};
    ::sigaltstack(nullptr, &current);
    if (current.ss_sp == installed_) {  // not if the program has set its own since
        ::stack_t none{};
        none.ss_flags = SS_DISABLE;
        ::sigaltstack(&none, nullptr);
    }
}

}  // namespace coir::detail

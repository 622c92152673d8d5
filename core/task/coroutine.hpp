// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   coroutine c([] { ... });    a body with a stack of its own, which has not started
//   c.switch_to();              goes on there, until somebody switches here or a child of this one ends
//   c.done()                    has its body ended?
//   coroutine::current()        the one that runs
//
// Switching by hand inside one task, as Python's greenlet does it: whoever switches says who goes on, and nobody else runs
// meanwhile. What a task runs before it makes any coroutine is one as well, its root, which current() names. A coroutine
// that ends goes back to its parent, the one that made it; what left its body is thrown out of the parent's switch_to().
// A coroutine belongs to the task that made it (or to the plain thread). When it waits, the whole task does.

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace coir {

class coroutine;

namespace detail {

class coroutine_state;

/// Keeps a state's memory.
class coroutine_ref {
public:
    coroutine_ref() noexcept = default;
    explicit coroutine_ref(coroutine_state& state) noexcept;
    coroutine_ref(coroutine_ref const& other) noexcept;
    coroutine_ref(coroutine_ref&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    coroutine_ref& operator=(coroutine_ref other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~coroutine_ref() {
        if (state_ != nullptr) {
            release(state_);
        }
    }

    coroutine_state* get() const noexcept { return state_; }
    coroutine_state* operator->() const noexcept { return state_; }
    coroutine_state& operator*() const noexcept { return *state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }
    friend bool operator==(coroutine_ref const&, coroutine_ref const&) noexcept = default;

private:
    friend class coroutine_state;
    static void release(coroutine_state* state) noexcept;

    coroutine_state* state_ = nullptr;
};

/// The callable of a coroutine.
class coroutine_body {
public:
    virtual ~coroutine_body() = default;
    virtual void run() = 0;
};

template <class F>
class coroutine_body_of final : public coroutine_body {
public:
    explicit coroutine_body_of(F function) : function_(std::move(function)) {}
    void run() override { std::invoke(function_); }

private:
    F function_;
};

template <class F>
std::unique_ptr<coroutine_body> body_of(F function) {
    static_assert(std::invocable<F&>, "coir::coroutine: f must be callable as f()");
    if constexpr (std::invocable<F&>) {
        return std::make_unique<coroutine_body_of<F>>(std::move(function));
    }
    return nullptr;
}

}  // namespace detail

/// A handle; copies are the same coroutine. When the last one of an unfinished coroutine goes, its body unwinds: its
/// switch_to() throws generator_exit.
class coroutine {
public:
    /// `f()` runs when somebody first switches to it. `stack_size` is the address space of its stack in bytes; 0: as the
    /// tasks of the runtime have. Throws std::bad_alloc.
    template <class F>
        requires(!std::same_as<F, coroutine>)
    explicit coroutine(F f, std::size_t stack_size = 0) : coroutine(detail::body_of(std::move(f)), stack_size) {}

    coroutine(coroutine const& other) noexcept;
    coroutine(coroutine&& other) noexcept = default;
    coroutine& operator=(coroutine other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    /// May suspend where the destructors of the body do; no cancellation is thrown meanwhile. An exception other than
    /// generator_exit that leaves a body in this way goes to on_unhandled_exception.
    ~coroutine();

    /// Leaves this stack and goes on in that coroutine. Returns when somebody switches here; at once if that is the
    /// current one. Throws what left the body of a child that ended; invalid_state for one that has ended, or belongs to
    /// another task, or an empty handle; generator_exit when the last handle of this coroutine is gone; std::bad_alloc when
    /// there is no stack for it. No suspension point by itself: no other task runs.
    void switch_to();

    /// Has the body ended? Throws invalid_state for an empty handle.
    bool done() const;

    /// The coroutine that runs: of the calling task, or thread. Valid as long as that coroutine lives; a root, as long as
    /// its task. Throws std::bad_alloc.
    static coroutine& current();

    friend bool operator==(coroutine const& a, coroutine const& b) noexcept { return a.state_ == b.state_; }

private:
    friend class detail::coroutine_state;
    coroutine() noexcept = default;
    coroutine(std::unique_ptr<detail::coroutine_body> body, std::size_t stack_size);

    detail::coroutine_ref state_;  // null: moved from
};

}  // namespace coir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   generator<int> g([](auto& yield) { yield(1); yield(2); });
//   for (int x : g) ...
//
// A generator runs its body on a stack of its own, up to the next yield, whenever its consumer asks for an element. So the
// body is plain code: it yields out of functions that it calls, and it may wait. What it waits for, the task that iterates
// waits for: in a task a generator is Python's `async for`. On a plain thread, waiting blocks the thread.
//
// Not synchronised, and not bound to a task: it may be handed from one to another between two elements.

#include <coir/core/base/errors.hpp>
#include <coir/core/task/side_stack.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace coir {

/// A sequence of T that is made element by element, an input range. The elements are lvalues: they live in the body until
/// the next one is asked for, and may be moved from. T may be a reference type; yields then hand out references. Move-only.
template <class T>
class generator {
    static_assert(!std::is_rvalue_reference_v<T>, "coir::generator: elements are lvalues; leave the && away");
    static_assert(!std::is_void_v<T>, "coir::generator: there are no elements of type void");

public:
    using reference = T&;  // T itself, if that is a reference
    using value_type = std::remove_cvref_t<T>;
    class iterator;
    class yielder;

    /// `body(yield)` gives the elements: `yield(x)`. It starts with begin(), and costs no stack before. `stack_size` is
    /// the address space of that stack in bytes; 0: as the tasks of the runtime have. Throws std::bad_alloc.
    template <class F>
        requires(!std::same_as<F, generator>)
    explicit generator(F body, std::size_t stack_size = 0) {
        constexpr bool callable = std::invocable<F&, yielder&>;
        static_assert(callable, "coir::generator: the body must be callable as body(yield), with an `auto& yield`");
        if constexpr (callable) {
            core_ = std::make_unique<core_of<F>>(std::move(body), stack_size);
        }
    }

    generator(generator&&) noexcept = default;
    generator& operator=(generator&& other) noexcept {
        if (this != &other) {
            close();
            core_ = std::move(other.core_);
        }
        return *this;
    }

    /// A body that has not ended unwinds: its yield throws generator_exit. May suspend where the body's destructors do;
    /// no cancellation is thrown meanwhile. An exception other than generator_exit that leaves the body then goes to
    /// on_unhandled_exception. Ends the process if called by the body itself.
    ~generator() { close(); }

    /// Runs the body up to its first element. Later: the present one again (after a loop that was left). Suspends if the
    /// body does. Throws what leaves the body, `cancelled` included; std::bad_alloc when there is no stack; invalid_state
    /// if the body is running, or the generator was moved from.
    iterator begin() {
        if (core_ == nullptr) {
            throw invalid_state("generator: it was moved from");
        }
        if (core_->is_fresh()) {
            core_->resume();
        }
        return iterator(*core_);
    }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    struct core : detail::side_stack {
        using side_stack::side_stack;
        std::remove_reference_t<T>* present = nullptr;
    };

    template <class F>
    struct core_of final : core {
        core_of(F function, std::size_t stack_size) : core(stack_size), function_(std::move(function)) {}

    private:
        void body() override {
            yielder yield(*this);
            std::invoke(function_, yield);
        }

        F function_;
    };

    void close() noexcept {
        if (core_ != nullptr) {
            core_->close();
        }
    }

    std::unique_ptr<core> core_;
};

/// What the body gets: a call hands an element to the consumer, and returns when the next one is asked for.
/// Throws generator_exit when the generator is being destroyed (not while the body unwinds), invalid_state when called
/// by anybody but the body, in its own task.
template <class T>
class generator<T>::yielder {
public:
    /// `value` lives until the next element is asked for.
    void operator()(reference value) requires std::is_reference_v<T> { hand_over(value); }
    void operator()(value_type&& value) requires(!std::is_reference_v<T>) { hand_over(value); }
    /// A copy, so that the consumer does not get at the body's own.
    void operator()(value_type const& value) requires(!std::is_reference_v<T> && std::copy_constructible<value_type>) {
        value_type copy(value);
        hand_over(copy);
    }

    /// Yields all elements of a range, as Python's `yield from`. Those of another generator are handed on as they are.
    template <class Range>
    void from(Range&& elements) {
        for (auto&& element : elements) {
            if constexpr (std::same_as<std::remove_cvref_t<Range>, generator>) {
                hand_over(element);
            } else {
                (*this)(std::forward<decltype(element)>(element));
            }
        }
    }

    yielder(yielder const&) = delete;
    yielder& operator=(yielder const&) = delete;

private:
    friend class generator;
    explicit yielder(core& c) noexcept : core_(c) {}

    void hand_over(std::remove_reference_t<T>& value) {
        core_.present = std::addressof(value);
        core_.leave();
    }

    core& core_;
};

/// Of a single pass. Valid as long as the generator lives, also after that was moved.
template <class T>
class generator<T>::iterator {
public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = typename generator::value_type;
    using difference_type = std::ptrdiff_t;
    using reference = typename generator::reference;
    using pointer = std::remove_reference_t<T>*;

    iterator() noexcept = default;

    /// Not at the end.
    reference operator*() const noexcept { return *core_->present; }
    pointer operator->() const noexcept { return core_->present; }

    /// Runs the body up to its next element, or its end. Suspends and throws as begin(); after an exception of the body the
    /// generator is at its end.
    iterator& operator++() {
        core_->resume();
        return *this;
    }
    void operator++(int) { ++*this; }

    friend bool operator==(iterator const& it, std::default_sentinel_t) noexcept { return it.core_->has_ended(); }

private:
    friend class generator;
    explicit iterator(core& c) noexcept : core_(&c) {}

    core* core_ = nullptr;
};

}  // namespace coir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   strand s; spawn({.strand = s}, f)   tasks of one strand never run at the same time

#include <memory>
#include <utility>

namespace coir {

namespace detail {
class strand_state;
}

/// A group of tasks of which at most one runs at any moment, as if on an event loop of their own: code that was written for
/// one thread keeps its implicit critical sections from one suspension point to the next. Tasks start, and go on after a
/// wait, in the order in which they became ready. A task that waits lets the others run. What it spawns, its on_done()
/// callbacks, and callables that it gives to combinators belong to the strand as well. Copies are the same
/// strand, and to move is to copy.
class strand {
public:
    /// A new one. Throws std::bad_alloc.
    strand();
    strand(strand const&) = default;
    strand& operator=(strand const&) = default;
    ~strand() = default;

    friend bool operator==(strand const&, strand const&) noexcept = default;

    // For the library.
    explicit strand(std::shared_ptr<detail::strand_state> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<detail::strand_state> const& state() const noexcept { return state_; }

private:
    std::shared_ptr<detail::strand_state> state_;
};

}  // namespace coir

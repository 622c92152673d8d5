// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   process_pool_executor              functions in worker processes, whose crashes stay there
//   run_in_executor<&f>(pool, args...) the same as pool.submit<&f>(args...)
//   process_map                        what map() returns: the results, in order

#include <coir/core/task/future.hpp>
#include <coir/executors/executor.hpp>
#include <coir/executors/process/errors.hpp>
#include <coir/executors/process/job.hpp>
#include <coir/executors/process/options.hpp>
#include <coir/executors/process/signature.hpp>

#include <cstddef>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace coir {

template <auto Function, class Range>
class process_map;

/// Runs functions in worker processes, which are started on demand by executing the program's own image again: main() has
/// to begin with coir::run(argc, argv, f) or coir::serve_if_worker(argc, argv).
///
/// A job is a function (or captureless lambda) that stands as a template argument: `pool.submit<&f>(1, "x")`. Arguments
/// and results are values that cereal can serialise; std::string_view and std::span<const std::byte> parameters are
/// possible, the latter comes in shared memory when it is large. What a job throws comes back as the same type if it is
/// one of the standard library's exceptions, else as remote_exception.
///
/// A job runs on the main thread of a worker, and no worker has more than one. If the worker dies, its job fails with
/// worker_died, another worker takes its place, and all other jobs go on. All members may be called from tasks and plain
/// threads alike. Destruction is shutdown().
class process_pool_executor {
public:
    /// Starts no worker yet. Throws worker_start_error in a program that did not begin as said above,
    /// std::invalid_argument for more than 1,024 workers, std::system_error when the process is out of something.
    explicit process_pool_executor(process_pool_options options = {});
    process_pool_executor(process_pool_executor const&) = delete;
    process_pool_executor& operator=(process_pool_executor const&) = delete;
    ~process_pool_executor();

    /// Runs `Function(args...)` in a worker. The arguments are serialised before the call returns. Cancelling the future
    /// takes a job that waits out of the queue, and kills the worker of one that runs. Does not suspend. Throws
    /// executor_shut_down, broken_executor, std::length_error for more than 1 GiB, and what serialising throws.
    template <auto Function, class... Args>
    auto submit(Args&&... args) -> future<typename detail::remote_function_for<Function, Args...>::value_type> {
        using function = detail::remote_function_for<Function, Args...>;
        using record = detail::process_job<typename function::value_type>;
        static std::string const name = name_of(&function::thunk);
        auto state = detail::state_ptr<record>::adopt(new record);
        state->frame = begin_frame(name);
        detail::wire_output out(*state->frame);
        function::save_arguments(out, std::forward<Args>(args)...);
        submit_job(*state, out);
        return future<typename function::value_type>(
            detail::state_ptr<detail::future_state<typename function::value_type>>::adopt(state.detach()));
    }

    /// Runs `Function(element)` for each element and returns the results in their order, as a range to be walked through
    /// once. All are submitted now, or, with a `buffer_size`, at most so many are ahead of who reads; the range then
    /// refers to `range` if that is an lvalue. An exception comes when it is its element's turn; destroying the range
    /// cancels what is left.
    template <auto Function, class Range>
    process_map<Function, Range> map(Range&& range, map_options options = {}) {
        return process_map<Function, Range>(*this, std::forward<Range>(range), options.buffer_size);
    }

    /// Accepts no more jobs. Suspends (blocks a thread) until they have ended and all workers are gone, if asked to.
    /// Idempotent.
    void shutdown(shutdown_options options = {});

    process_pool_stats stats() const;

private:
    static std::string name_of(detail::remote_thunk thunk);
    static std::shared_ptr<detail::byte_buffer> begin_frame(std::string const& name);
    void submit_job(detail::remote_job& job, detail::wire_output const& arguments);

    std::shared_ptr<detail::process_pool> pool_;
};

/// pool.submit<Function>(args...)
template <auto Function, class... Args>
auto run_in_executor(process_pool_executor& where, Args&&... args) {
    return where.submit<Function>(std::forward<Args>(args)...);
}

/// The results of process_pool_executor::map, in order; std::monostate for void. An input range; reading suspends.
template <auto Function, class Range>
class process_map {
    using element = decltype(*std::begin(std::declval<std::remove_reference_t<Range>&>()));
    using result = typename detail::remote_function_for<Function, element>::value_type;
    struct kept;

public:
    using value_type = std::conditional_t<std::is_void_v<result>, std::monostate, result>;

    process_map(process_pool_executor& pool, Range&& range, std::size_t buffer_size)
        : kept_(std::make_unique<kept>(pool, std::forward<Range>(range), buffer_size)) {
        kept_->fill();
    }
    process_map(process_map&&) noexcept = default;
    process_map& operator=(process_map&&) noexcept = default;
    ~process_map() = default;

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = process_map::value_type;
        using difference_type = std::ptrdiff_t;
        using pointer = value_type*;
        using reference = value_type&;

        iterator() = default;
        reference operator*() const { return *from_->current; }
        pointer operator->() const { return &*from_->current; }
        iterator& operator++() {
            from_->advance();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(iterator const& it, std::default_sentinel_t) { return it.at_end(); }
        // So that algorithms which want two iterators of one type work: the end equals the end.
        friend bool operator==(iterator const& a, iterator const& b) { return a.at_end() == b.at_end(); }

    private:
        friend process_map;
        explicit iterator(kept* from) noexcept : from_(from) {}
        bool at_end() const { return from_ == nullptr || !from_->current; }
        kept* from_ = nullptr;
    };

    /// Waits for the first result, once.
    iterator begin() {
        if (!std::exchange(kept_->started, true)) {
            kept_->advance();
        }
        return iterator(kept_.get());
    }
    iterator end() noexcept { return iterator(); }

private:
    struct kept {
        kept(process_pool_executor& where, Range&& elements, std::size_t most)
            : pool(where), range(std::forward<Range>(elements)), buffer_size(most), next(std::begin(range)),
              last(std::end(range)) {}
        kept(kept const&) = delete;
        kept& operator=(kept const&) = delete;
        ~kept() {
            for (auto& each : ahead) {
                each.cancel();
            }
        }

        void fill() {
            while ((buffer_size == 0 || ahead.size() < buffer_size) && next != last) {
                ahead.push_back(pool.template submit<Function>(*next));
                ++next;
            }
        }
        void advance() {
            current.reset();
            if (ahead.empty()) {
                return;
            }
            future<result> first = std::move(ahead.front());
            ahead.pop_front();
            if constexpr (std::is_void_v<result>) {
                first.get();
                current.emplace();
            } else {
                current.emplace(first.get());
            }
            fill();
        }

        process_pool_executor& pool;
        Range range;  // a reference for an lvalue
        std::size_t buffer_size;
        decltype(std::begin(std::declval<std::remove_reference_t<Range>&>())) next;
        decltype(std::end(std::declval<std::remove_reference_t<Range>&>())) last;
        std::deque<future<result>> ahead;
        std::optional<value_type> current;
        bool started = false;
    };

    std::unique_ptr<kept> kept_;
};

}  // namespace coir

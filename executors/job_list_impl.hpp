// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: the jobs that wait in an executor (a thread pool, a compute executor), linked through themselves.

#include <coir/executors/job.hpp>

#include <cstddef>
#include <exception>

namespace coir::detail {

/// Guarded by whoever owns it.
class job_list {
public:
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    void push_back(job_base& work) noexcept;
    void erase(job_base& work) noexcept;
    job_base* pop_front() noexcept;
    job_base* pop_back() noexcept;

    /// Of a queue: all its jobs. From here on a canceller finds that they are not there any more.
    job_list take_all() noexcept;
    /// Of those that were taken out of a queue, and without its lock: `reason` goes into their futures.
    void give_up_all(std::exception_ptr const& reason) noexcept;

private:
    job_base* first_ = nullptr;
    job_base* last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace coir::detail

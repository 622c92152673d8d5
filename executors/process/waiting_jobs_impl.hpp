// SPDX-License-Identifier: BSL-1.0
#pragma once

// A pool's queue: the jobs that no worker has, in the order of their coming, and those of them that have deadlines in the order
// of these as well. All under the pool's lock.
//
// The deadlines are a pairing heap of the jobs themselves: nothing is allocated, so that a job can always be put back; a job is
// added in constant time, and taken out in logarithmic time (amortised), be it the first one or any.

#include <coir/core/base/clock.hpp>
#include <coir/executors/process/job.hpp>

#include <cstddef>
#include <utility>

namespace coir::detail {

/// The jobs of a queue that have deadlines.
class deadline_heap {
public:
    bool empty() const noexcept { return root_ == nullptr; }
    remote_job& first() const noexcept { return *root_; }
    void add(remote_job& job) noexcept;
    void remove(remote_job& job) noexcept;

private:
    remote_job* root_ = nullptr;
};

/// Jobs that were taken out of a queue at once. Holds a reference to each.
class taken_jobs {
public:
    taken_jobs() = default;
    explicit taken_jobs(remote_job* first) noexcept : first_(first) {}
    taken_jobs(taken_jobs&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
    taken_jobs& operator=(taken_jobs&& other) noexcept {
        std::swap(first_, other.first_);
        return *this;
    }
    ~taken_jobs() {
        while (pop_front()) {
        }
    }

    /// Nothing at the end.
    job_ref pop_front() noexcept;

private:
    remote_job* first_ = nullptr;
};

/// Holds a reference to each.
class waiting_jobs {
public:
    waiting_jobs() = default;
    waiting_jobs(waiting_jobs const&) = delete;
    waiting_jobs& operator=(waiting_jobs const&) = delete;
    ~waiting_jobs();

    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    /// k_never if none has one.
    clock::time_point first_deadline() const noexcept {
        return deadlines_.empty() ? k_never : deadlines_.first().deadline;
    }
    void push_back(job_ref job) noexcept;
    void push_front(job_ref job) noexcept;
    job_ref pop_front() noexcept;
    job_ref pop_first_deadline() noexcept;
    job_ref take(remote_job& job) noexcept;
    taken_jobs take_all() noexcept;

private:
    void link(job_ref& job, remote_job* previous, remote_job* next) noexcept;

    remote_job* first_ = nullptr;
    remote_job* last_ = nullptr;
    std::size_t size_ = 0;
    deadline_heap deadlines_;
};

}  // namespace coir::detail

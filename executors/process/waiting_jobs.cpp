// SPDX-License-Identifier: BSL-1.0
#include "executors/process/waiting_jobs_impl.hpp"

#include <utility>

namespace coir::detail {
namespace {

// Two heaps into one: the later root becomes the first below the earlier one. Either may be none.
remote_job* meld(remote_job* a, remote_job* b) noexcept {
    if (a == nullptr || b == nullptr) {
        return a == nullptr ? b : a;
    }
    if (b->deadline < a->deadline) {
        std::swap(a, b);
    }
    b->before = a;
    b->beside = a->below;
    if (b->beside != nullptr) {
        b->beside->before = b;
    }
    a->below = b;
    return a;
}

remote_job* detach(remote_job*& from) noexcept {
    remote_job* const job = from;
    from = job->beside;
    job->beside = job->before = nullptr;
    return job;
}

// What lies below a job that leaves, as one heap: pairs from the front, then all of these, the last one first.
remote_job* meld_all(remote_job* each) noexcept {
    remote_job* pairs = nullptr;
    while (each != nullptr) {
        remote_job* const one = detach(each);
        remote_job* const pair = meld(one, each != nullptr ? detach(each) : nullptr);
        pair->beside = pairs;
        pairs = pair;
    }
    remote_job* all = nullptr;
    while (pairs != nullptr) {
        all = meld(all, detach(pairs));
    }
    return all;
}

}  // namespace

void deadline_heap::add(remote_job& job) noexcept {
    root_ = meld(root_, &job);
}

void deadline_heap::remove(remote_job& job) noexcept {
    remote_job* const rest = meld_all(std::exchange(job.below, nullptr));
    if (&job == root_) {
        root_ = rest;
        return;
    }
    (job.before->below == &job ? job.before->below : job.before->beside) = job.beside;
    if (job.beside != nullptr) {
        job.beside->before = job.before;
    }
    job.before = job.beside = nullptr;
    root_ = meld(root_, rest);
}

waiting_jobs::~waiting_jobs() {
    while (!empty()) {
        pop_front();
    }
}

// The list holds the reference that the handle held.
void waiting_jobs::link(job_ref& job, remote_job* previous, remote_job* next) noexcept {
    remote_job* const self = job.release();
    self->previous = previous;
    self->next = next;
    (previous == nullptr ? first_ : previous->next) = self;
    (next == nullptr ? last_ : next->previous) = self;
    self->place = remote_job::where::queued;
    ++size_;
    if (self->deadline != k_never) {
        deadlines_.add(*self);
    }
}

void waiting_jobs::push_back(job_ref job) noexcept {
    link(job, last_, nullptr);
}

void waiting_jobs::push_front(job_ref job) noexcept {
    link(job, nullptr, first_);
}

job_ref waiting_jobs::take(remote_job& job) noexcept {
    (job.previous == nullptr ? first_ : job.previous->next) = job.next;
    (job.next == nullptr ? last_ : job.next->previous) = job.previous;
    job.previous = job.next = nullptr;
    job.place = remote_job::where::nowhere;
    --size_;
    if (job.deadline != k_never) {
        deadlines_.remove(job);
    }
    return job_ref::adopt(job);
}

taken_jobs waiting_jobs::take_all() noexcept {
    for (remote_job* each = first_; each != nullptr; each = each->next) {
        each->previous = each->below = each->beside = each->before = nullptr;
        each->place = remote_job::where::nowhere;
    }
    taken_jobs all(first_);
    first_ = last_ = nullptr;
    size_ = 0;
    deadlines_ = {};
    return all;
}

job_ref taken_jobs::pop_front() noexcept {
    if (first_ == nullptr) {
        return {};
    }
    remote_job& job = *std::exchange(first_, first_->next);
    job.next = nullptr;
    return job_ref::adopt(job);
}

job_ref waiting_jobs::pop_front() noexcept {
    return take(*first_);
}

job_ref waiting_jobs::pop_first_deadline() noexcept {
    return take(deadlines_.first());
}

}  // namespace coir::detail

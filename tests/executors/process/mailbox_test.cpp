// SPDX-License-Identifier: BSL-1.0
//
// The memory that a pool shares with each worker: what is posted arrives once, and a worker may do to it whatever it likes.
#include "core/base/patience.hpp"
#include "core/sched/cores.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/mailbox_impl.hpp"
#include "tests/executors/process/jobs.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coir {
namespace {

using detail::mail_slot;
using detail::patience;
using receiver = mail_slot::receiver;
using test::mix;
using test::on_one_and_four_workers;

std::span<std::byte const> bytes_of(std::string const& text) {
    return std::as_bytes(std::span(text));
}

std::string taken_from(mail_slot const& slot) {
    std::array<std::byte, mail_slot::k_room> to;
    auto const size = slot.read(to);
    return size ? std::string(reinterpret_cast<char const*>(to.data()), *size) : "nothing";
}

TEST(mail_slot, takes_a_message_only_while_its_receiver_looks) {
    auto const slot = std::make_unique<mail_slot>();
    EXPECT_EQ(slot->try_post(bytes_of("early")), receiver::elsewhere);
    ASSERT_TRUE(slot->begin());
    EXPECT_FALSE(slot->begin());
    EXPECT_EQ(slot->try_post(bytes_of(std::string(mail_slot::k_room + 1, 'x'))), receiver::elsewhere);
    EXPECT_TRUE(slot->is_undisturbed());
    EXPECT_EQ(slot->try_post(bytes_of("in time")), receiver::looks);
    EXPECT_EQ(slot->try_post(bytes_of("twice")), receiver::elsewhere);
    EXPECT_TRUE(slot->end());  // too late to give up: there is a message
    EXPECT_TRUE(slot->claim());
    EXPECT_FALSE(slot->claim());
    EXPECT_EQ(taken_from(*slot), "in time");
    ASSERT_TRUE(slot->begin());
    EXPECT_FALSE(slot->end());
    EXPECT_EQ(slot->try_post(bytes_of("late")), receiver::elsewhere);
}

TEST(mail_slot, receiver_that_is_pointed_to_the_socket_looks_no_longer) {
    auto const slot = std::make_unique<mail_slot>();
    ASSERT_TRUE(slot->begin());
    EXPECT_FALSE(slot->point_to_socket());
    EXPECT_FALSE(slot->is_undisturbed());
    EXPECT_EQ(slot->try_post(bytes_of("x")), receiver::elsewhere);
    EXPECT_FALSE(slot->end());
    EXPECT_TRUE(slot->begin());
}

TEST(mail_slot, sleeping_receiver_that_is_pointed_to_the_socket_is_woken) {
    auto const slot = std::make_unique<mail_slot>();
    ASSERT_TRUE(slot->begin());
    std::thread sender([&] {
        if (slot->point_to_socket()) {  // whether it sleeps already is for the machine to say
            slot->wake();
        }
    });
    slot->sleep_until(std::chrono::steady_clock::time_point::max(), [] { return false; });
    sender.join();
    EXPECT_FALSE(slot->end());
}

TEST(mail_slot, receiver_at_a_bell_gets_a_message_from_who_can_ring) {
    auto const slot = std::make_unique<mail_slot>();
    ASSERT_TRUE(slot->begin());
    ASSERT_TRUE(slot->wait_for_bell());
    EXPECT_EQ(slot->try_post(bytes_of("unheard"), false), receiver::elsewhere);
    EXPECT_EQ(slot->try_post(bytes_of("heard"), true), receiver::hears);
    EXPECT_TRUE(slot->end());
    EXPECT_TRUE(slot->take_back());  // nobody has heard it
    EXPECT_FALSE(slot->take_back());
    ASSERT_TRUE(slot->begin());
    ASSERT_TRUE(slot->wait_for_bell());
    EXPECT_FALSE(slot->point_to_socket());
    EXPECT_EQ(slot->try_post(bytes_of("late"), true), receiver::elsewhere);
    EXPECT_FALSE(slot->end());
    ASSERT_TRUE(slot->begin());
    EXPECT_EQ(slot->try_post(bytes_of("in time"), true), receiver::looks);
    EXPECT_FALSE(slot->wait_for_bell());
}

// Each message goes one of two ways, and none both.
TEST(mail_slot, message_arrives_once_whether_its_receiver_gives_up_or_not) {
    auto const slot = std::make_unique<mail_slot>();
    constexpr int k_rounds = 20'000;
    std::atomic<int> posted{0};
    std::atomic<bool> over{false};
    std::thread sender([&] {
        while (!over.load()) {
            posted += slot->try_post(bytes_of("message")) != receiver::elsewhere ? 1 : 0;
        }
    });
    int received = 0;
    for (int i = 0; i < k_rounds; ++i) {
        int looks = i % 8;
        ASSERT_TRUE(slot->begin());
        detail::watch_for(*slot, std::chrono::nanoseconds(0), [&] { return looks-- == 0; });
        if (slot->end()) {
            received += slot->claim() && taken_from(*slot) == "message" ? 1 : 0;
        }
    }
    over = true;
    sender.join();
    EXPECT_EQ(received, posted.load());
}

TEST(mail_slot, sleeping_receiver_is_woken_by_each_message) {
    auto const slot = std::make_unique<mail_slot>();
    constexpr int k_rounds = 2'000;
    std::thread sender([&] {
        for (int i = 0; i < k_rounds; ++i) {
            while (slot->try_post(bytes_of("message")) == receiver::elsewhere) {
                std::this_thread::yield();
            }
        }
    });
    for (int i = 0; i < k_rounds; ++i) {
        ASSERT_TRUE(slot->begin());
        slot->sleep_until(std::chrono::steady_clock::time_point::max(), [] { return false; });
        ASSERT_TRUE(slot->end());
        ASSERT_TRUE(slot->claim());
    }
    sender.join();
}

TEST(mail_slot, sleeping_receiver_is_woken_when_what_it_waits_for_has_come_by_another_way) {
    auto const slot = std::make_unique<mail_slot>();
    constexpr int k_rounds = 2'000;
    std::atomic<int> begun{0};
    std::atomic<int> over{0};
    std::thread other([&] {
        for (int i = 1; i <= k_rounds; ++i) {
            while (begun.load() < i) {
                std::this_thread::yield();
            }
            over = i;
            slot->rouse();
        }
    });
    for (int i = 1; i <= k_rounds; ++i) {
        ASSERT_TRUE(slot->begin());
        begun = i;
        slot->sleep_until(std::chrono::steady_clock::time_point::max(), [&] { return over.load() >= i; });
        ASSERT_FALSE(slot->end());
        EXPECT_EQ(slot->try_post(bytes_of("late")), receiver::elsewhere);
    }
    other.join();
}

TEST(mail_slot, receiver_sleeps_no_longer_than_until_its_deadline_whatever_the_sender_does) {
    auto const slot = std::make_unique<mail_slot>();
    ASSERT_TRUE(slot->begin());
    slot->sleep_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(1), [] { return false; });
    EXPECT_FALSE(slot->end());
    EXPECT_TRUE(slot->begin());
}

TEST(patience, gives_up_what_does_not_pay_and_tries_it_again_now_and_then) {
    patience p;
    EXPECT_EQ(p.budget(), patience::k_most);
    p.tell(false);
    EXPECT_EQ(p.budget(), patience::k_most / 16);
    for (int i = 0; i < 10; ++i) {
        p.tell(false);
    }
    unsigned tries = 0;
    for (unsigned i = 0; i < 4 * patience::k_between_tries; ++i) {
        tries += p.budget() > patience::duration::zero() ? 1 : 0;
    }
    EXPECT_EQ(tries, 4u);
    p.tell(true);
    EXPECT_EQ(p.budget(), patience::k_most);
}

TEST(process_pool_mailbox, every_waiter_gets_its_own_answer) {
    process_pool_executor pool({.max_workers = 2, .max_jobs_per_worker = 97});
    constexpr std::uint64_t k_jobs = 300;
    auto const call = [&](std::uint64_t first) {
        for (std::uint64_t i = first; i < first + k_jobs; ++i) {
            EXPECT_EQ(pool.submit<&mix>(i).get(), mix(i));
        }
    };
    std::thread one([&] { call(0); });
    std::thread other([&] { call(k_jobs); });
    on_one_and_four_workers([&] { call(2 * k_jobs); });
    one.join();
    other.join();
    EXPECT_EQ(pool.stats().completed, pool.stats().submitted);
    EXPECT_EQ(pool.stats().workers_died, 0u);
}

// --- workers that do what no worker does ---------------------------------------------------------------------------------

struct raw_slot {
    alignas(64) std::atomic<std::uint32_t> state;
    alignas(64) std::atomic<std::uint64_t> size;
    std::byte bytes[mail_slot::k_room];
};
static_assert(sizeof(raw_slot) == sizeof(mail_slot));

enum class scribble : int { endless_size, no_header, another_job, another_kind, another_size, no_value, count };

raw_slot* find_own_mailbox() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find("coir-mailbox") != std::string::npos) {
            return reinterpret_cast<raw_slot*>(std::stoull(line, nullptr, 16));
        }
    }
    return nullptr;
}

raw_slot* own_mailbox() {
    static raw_slot* const box = find_own_mailbox();
    return box;
}

// As soon as somebody looks for its answer. Returns, which sends an answer, if nobody does so for long.
int answer_by_mail(int kind, std::uint64_t job) {
    raw_slot* const box = own_mailbox();
    if (box == nullptr) {
        return 0;
    }
    raw_slot& slot = box[1];
    auto const give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
    while (slot.state.load() != mail_slot::waiting && slot.state.load() != mail_slot::asleep) {
        if (std::chrono::steady_clock::now() > give_up) {
            return 0;
        }
    }
    auto const what = static_cast<scribble>(kind);
    detail::frame_header header{detail::frame_kind::value, 0, 0};
    header.job = what == scribble::another_job ? job + 1 : job;
    header.kind = what == scribble::another_kind ? detail::frame_kind::ready : detail::frame_kind::value;
    header.size = what == scribble::another_size ? std::uint64_t{1} << 40 : 0;
    std::memset(slot.bytes, 0xff, sizeof slot.bytes);
    if (what != scribble::no_header) {
        detail::write_header(std::span<std::byte, detail::k_frame_header_size>(slot.bytes, detail::k_frame_header_size),
                             header);
    }
    slot.size = what == scribble::endless_size ? ~std::uint64_t{0} : detail::k_frame_header_size;
    slot.state = mail_slot::full;
    test::stay();
    return 0;
}

TEST(process_pool_mailbox, worker_that_posts_garbage_is_killed_and_costs_its_job_alone) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    process_pool_executor pool({.max_workers = 1});
    std::uint64_t job = 0;  // the pool counts them, too
    for (int kind = 0; kind < static_cast<int>(scribble::count); ++kind) {
        for (bool has_died = false; !has_died;) {
            for (int i = 0; i < 3; ++i, ++job) {
                EXPECT_EQ(pool.submit<&mix>(4u).get(), mix(4));  // answered at once, so that it pays to look
            }
            try {
                EXPECT_EQ(pool.submit<&answer_by_mail>(kind, ++job).get(), 0);
            } catch (worker_died const& error) {
                EXPECT_EQ(error.signal(), SIGKILL) << kind;
                has_died = true;
            }
        }
        ++job;
        EXPECT_EQ(pool.submit<&mix>(4u).get(), mix(4)) << kind;
    }
}

int spoil_the_mailbox(std::uint32_t state) {
    if (raw_slot* const box = own_mailbox()) {
        for (raw_slot* slot : {box, box + 1}) {
            slot->size = ~std::uint64_t{0};
            slot->state = state;
        }
    }
    return 1;
}

TEST(process_pool_mailbox, worker_with_a_spoilt_mailbox_is_served_through_the_socket_or_killed) {
    process_pool_executor pool({.max_workers = 1});
    // Not 1, 4 and 5, in which it would post its answer to nobody: a job that never answers.
    for (std::uint32_t const state : {2u, 3u, 6u, 0xffff'ffffu, 0u}) {
        auto job = pool.submit<&spoil_the_mailbox>(state);
        try {
            EXPECT_EQ(job.get(), 1);
        } catch (worker_died const& error) {
            EXPECT_EQ(error.signal(), SIGKILL);
        }
        auto next = pool.submit<&mix>(5u);
        EXPECT_EQ(next.get(), mix(5)) << state;
        EXPECT_EQ(pool.submit<&mix>(6u).get(), mix(6)) << state;
    }
}

// Answers when a task waits at the bell, or has been sent from there to the socket. False if none is for long: the job was still
// in the queue, as the worker had yet to be said to be idle, when the task came to wait for it.
bool answer_at_bell(int) {
    raw_slot* const box = own_mailbox();
    auto const give_up = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    auto const is_awaited = [box] {
        std::uint32_t const state = box[1].state.load();
        return state == mail_slot::at_bell || state == mail_slot::look;
    };
    while (box != nullptr && !is_awaited()) {
        if (std::chrono::steady_clock::now() > give_up) {
            return false;
        }
        std::this_thread::yield();
    }
    return box != nullptr;
}

// The next job goes to the pool's one worker at once, and not into the queue.
void wait_until_idle(process_pool_executor const& pool) {
    while (pool.stats().idle_workers != 1) {
        std::this_thread::yield();
    }
}

// How often all of them have gone to sleep. One of an earlier pool may be about to end.
long sleeps_of_keepers() {
    long sum = 0;
    for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::ifstream(thread.path() / "comm") >> name;
        std::ifstream status(thread.path() / "status");
        for (std::string line; name == "coir-keeper" && std::getline(status, line);) {
            if (line.starts_with("voluntary_ctxt_switches:")) {
                sum += std::stol(line.substr(line.find(':') + 1));
            }
        }
    }
    return sum;
}

TEST(process_pool_mailbox, task_that_waits_is_woken_without_the_keeper) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    process_pool_executor pool({.max_workers = 1});
    constexpr int k_jobs = 20;
    on_one_and_four_workers([&] {
        EXPECT_EQ(pool.submit<&mix>(1u).get(), mix(1));
        long const before = sleeps_of_keepers();
        int at_bell = 0;
        for (int i = 0; i < k_jobs; ++i) {
            at_bell += pool.submit<&answer_at_bell>(0).get() ? 1 : 0;
        }
        EXPECT_GT(at_bell, k_jobs / 2);
        EXPECT_LT(sleeps_of_keepers() - before, k_jobs);  // one each, or more, if it wakes the tasks
    });
}

// A task that waits for what `submit()` has submitted. From then on another one keeps their coir worker, so that it does not get to
// run, until get() lets it.
template <class Submit>
class waiter_without_a_worker {
public:
    waiter_without_a_worker(runtime& home, Submit submit)
        : waiter_(home.spawn([this, submit] {
              auto answer = submit();
              auto keeps = spawn([this] {
                  is_kept_ = true;
                  while (!may_go_on_) {
                      std::this_thread::yield();
                  }
              });
              auto result = answer.get();
              keeps.get();
              return result;
          })) {
        while (!is_kept_) {
            std::this_thread::yield();
        }
    }

    auto get() {
        may_go_on_ = true;
        return waiter_.get();
    }

private:
    std::atomic<bool> is_kept_{false};
    std::atomic<bool> may_go_on_{false};
    task<decltype(std::declval<Submit>()().get())> waiter_;
};

runtime_options with_one_worker() {
    return {.workers = 1, .stall_threshold = std::chrono::milliseconds(0)};
}

// What it waits for has come, and others want the worker process.
TEST(process_pool_mailbox, answer_to_a_task_that_does_not_get_to_run_keeps_nobody_from_the_worker) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    runtime home(with_one_worker());
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(pool.submit<&mix>(2u).get(), mix(2));  // so that there is a worker
    wait_until_idle(pool);
    for (int round = 0; round < 10; ++round) {
        waiter_without_a_worker waiter(home, [&] { return pool.submit<&answer_at_bell>(0); });
        EXPECT_EQ(pool.submit<&mix>(3u).get(), mix(3));
        waiter.get();
    }
}

TEST(process_pool_mailbox, worker_that_has_answered_in_time_is_not_killed_for_who_does_not_get_to_run_in_time) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    runtime home(with_one_worker());
    process_pool_executor pool({.max_workers = 1});
    int const number = pool.submit<&test::own_number>().get();
    wait_until_idle(pool);
    auto const ended = pool.stats().completed + 1;
    waiter_without_a_worker waiter(home, [&] {
        // The limit is the job's as well, which answers as soon as somebody waits for it.
        return with_timeout(std::chrono::seconds(3), [&] { return pool.submit<&answer_at_bell>(0); });
    });
    while (pool.stats().completed != ended && pool.stats().cancelled == 0) {
        std::this_thread::yield();
    }
    EXPECT_EQ(pool.submit<&test::own_number>().get(), number);
    EXPECT_TRUE(waiter.get());
}

std::string long_answer_at_bell(std::size_t size) {
    return std::string(answer_at_bell(0) ? size : 0, 'x');
}

// An answer that was too large for the mailbox has ended its wait, but it does not get to run.
TEST(process_pool_mailbox, task_that_stands_at_the_bell_still_is_not_given_the_answer_to_the_next_job) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    runtime home(with_one_worker());
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(pool.submit<&mix>(2u).get(), mix(2));  // so that there is a worker
    wait_until_idle(pool);
    waiter_without_a_worker waiter(home, [&] { return pool.submit<&long_answer_at_bell>(3 * mail_slot::k_room); });
    while (pool.stats().completed != 2) {
        std::this_thread::yield();
    }
    wait_until_idle(pool);
    auto next = pool.submit<&mix>(3u);
    EXPECT_EQ(next.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_EQ(waiter.get().size(), 3 * mail_slot::k_room);
    EXPECT_EQ(next.get(), mix(3));
}

// The first one's answer was taken over, but it stands at the bell still when the second one comes.
TEST(process_pool_mailbox, tasks_of_two_runtimes_do_not_wait_at_one_bell) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    runtime one(with_one_worker());
    runtime other(with_one_worker());
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(pool.submit<&mix>(2u).get(), mix(2));  // so that there is a worker
    wait_until_idle(pool);
    waiter_without_a_worker first(one, [&] { return pool.submit<&answer_at_bell>(0); });
    raw_slot const* const box = find_own_mailbox();  // the pool's
    ASSERT_NE(box, nullptr);
    while (box[1].state != mail_slot::full) {
        std::this_thread::yield();
    }
    EXPECT_EQ(pool.submit<&mix>(3u).get(), mix(3));
    other.block_on([&] {
        std::string const go_on = testing::TempDir() + "coir-bell-" + std::to_string(::getpid());
        auto answer = pool.submit<&test::stay_until>(go_on);
        auto const lets_it_answer = spawn([&] { std::ofstream(go_on).put('x'); });
        answer.get();
    });
    EXPECT_TRUE(first.get());
    // Nobody waits at it, so neither runtime has a descriptor to poll for.
    for (runtime* const each : {&one, &other}) {
        EXPECT_TRUE(each->block_on([] { return detail::may_linger(); }));
    }
}

bool is_awaited(int) {
    raw_slot const* const box = own_mailbox();
    return box != nullptr && box[1].state == mail_slot::waiting;
}

void stay_on(int core) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(core, &mask);
    ::sched_setaffinity(0, sizeof mask, &mask);
}

// A result that says in which thread it was read.
struct reader_of_itself {
    std::thread::id reader;

    template <class Archive>
    void save(Archive&) const {}
    template <class Archive>
    void load(Archive&) {
        reader = std::this_thread::get_id();
    }
};

reader_of_itself no_plain_result(int) {
    return {};
}

// Whoever wakes the worker loses their core to it, and has no way to say that he waits before he has it back.
TEST(process_pool_mailbox, answer_that_comes_before_the_submitter_gets_on_does_not_need_the_keeper) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    process_pool_executor pool({.max_workers = 1});
    bool was_awaited = false;
    std::thread submitter([&] {
        int const core = ::sched_getcpu();
        pool.submit<&stay_on>(core).get();
        stay_on(core);
        sched_param const none{};
        ::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none);  // anybody's wake-up takes it the core
        for (int i = 0; i < 1000 && !was_awaited; ++i) {
            wait_until_idle(pool);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));  // most likely the worker sleeps then
            auto answer = pool.submit<&is_awaited>(0);
            while (!answer.done()) {  // get() would wait at the mailbox, too
                std::this_thread::yield();
            }
            was_awaited = answer.get();
        }
        // But code of the user's, which may want a lock that he holds, does not run in submit().
        for (int i = 0; i < 10; ++i) {
            wait_until_idle(pool);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            auto answer = pool.submit<&no_plain_result>(0);
            while (!answer.done()) {
                std::this_thread::yield();
            }
            EXPECT_NE(answer.get().reader, std::this_thread::get_id());
        }
    });
    submitter.join();
    EXPECT_TRUE(was_awaited);
}

TEST(process_pool_mailbox, fork_that_ends_its_copy_of_the_pool_leaves_the_bell_to_its_parent) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    runtime home(runtime_options{.workers = 1});
    auto pool = std::make_unique<process_pool_executor>(process_pool_options{.max_workers = 1});
    EXPECT_EQ(pool->submit<&mix>(2u).get(), mix(2));  // so that there is a worker
    wait_until_idle(*pool);
    auto const call = [&] {
        bool heard = false;
        for (int i = 0; i < 10 && !heard; ++i) {
            heard = pool->submit<&answer_at_bell>(0).get();
        }
        EXPECT_TRUE(heard);
    };
    home.block_on(call);
    int const child = ::fork();
    if (child == 0) {
        pool.reset();
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    home.block_on(call);
}

std::string long_answer(std::size_t size) {
    return std::string(size, 'x');
}

// Nobody hears of it through the mailbox: it is the keeper who ends the wait.
TEST(process_pool_mailbox, thread_that_sleeps_at_the_mailbox_hears_of_what_comes_another_way) {
    process_pool_executor pool({.max_workers = 1});
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(pool.submit<&long_answer>(3 * mail_slot::k_room).get().size(), 3 * mail_slot::k_room);
        EXPECT_THROW(pool.submit<&test::die_of_kill>(0).get(), worker_died);
        auto stays = pool.submit<&test::stay>();
        std::thread canceller([shared = stays.state()] { shared->request_cancel(nullptr); });
        EXPECT_THROW(stays.get(), cancelled);
        canceller.join();
    }
    EXPECT_EQ(pool.submit<&mix>(8u).get(), mix(8));
}

// Read in a task, it lets others have a turn until somebody cancels that task, and once more.
struct slowly_read {
    std::uint64_t value = 0;

    static inline std::atomic<bool> is_read{false};
    static inline std::atomic<bool> is_cancelled{false};

    template <class Archive>
    void save(Archive& to) const {
        to(value);
    }
    template <class Archive>
    void load(Archive& from) {
        from(value);
        if (detail::current_task_or_null() != nullptr) {
            is_read = true;
            while (!is_cancelled) {
                yield();
            }
            yield();
        }
    }
};

slowly_read read_slowly(std::uint64_t value) {
    return {value};
}

TEST(process_pool_mailbox, result_that_has_come_is_not_lost_by_a_cancellation_while_it_is_read) {
    if (detail::usable_core_count() < 2) {
        GTEST_SKIP() << "no mailboxes on one core";
    }
    runtime home(runtime_options{.workers = 1});
    process_pool_executor pool({.max_workers = 1});
    int const k_most_rounds =
        5'000;  // whether the waiter finds the answer before it suspends is for the machine to say
    for (int round = 0; round < k_most_rounds && !slowly_read::is_read; ++round) {
        auto waiter = home.spawn([&] { return pool.submit<&read_slowly>(9u).get().value; });
        while (!waiter.done() && !slowly_read::is_read) {
            std::this_thread::yield();
        }
        if (slowly_read::is_read) {
            waiter.cancel();
            slowly_read::is_cancelled = true;
        }
        EXPECT_EQ(waiter.get(), 9u);
    }
}

TEST(process_pool_mailbox, worker_that_dies_while_somebody_looks_for_its_answer_fails_its_job_alone) {
    process_pool_executor pool({.max_workers = 1});
    for (int i = 0; i < 10; ++i) {
        EXPECT_THROW(pool.submit<&test::die_of_exit>(3).get(), worker_died);
        EXPECT_EQ(pool.submit<&mix>(7u).get(), mix(7));
    }
    EXPECT_EQ(pool.stats().workers_died, 10u);
}

}  // namespace
}  // namespace coir

// SPDX-License-Identifier: BSL-1.0
#include "core/io/fd_slot.hpp"

#include "core/base/fault.hpp"
#include "core/io/reactor.hpp"

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/core/base/errno_of.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coir::detail {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

// One end of a pair of connected sockets, in a slot.
class end_of_pair {
public:
    explicit end_of_pair(int fd) : slot_(&fd_slot::open(fd)) {}
    end_of_pair(end_of_pair const&) = delete;
    end_of_pair& operator=(end_of_pair const&) = delete;
    ~end_of_pair() { close(); }

    fd_slot& slot() { return *slot_; }
    void close() {
        if (open_) {
            open_ = false;
            slot_->close();
        }
    }

    /// Reads one message; empty at the end, or when the slot was closed or the time was up.
    std::string read(clock::time_point deadline = k_never) {
        if (!slot_->enter()) {
            return {};
        }
        struct leaves {
            fd_slot& slot;
            ~leaves() { slot.exit(); }
        } const at_the_end{*slot_};
        for (;;) {
            std::uint32_t const seen = slot_->direction(io_direction::read).snapshot();
            char buffer[4096];
            auto const result = errno_of(&::read, slot_->fd(), static_cast<void*>(buffer), sizeof buffer);
            if (result.value >= 0) {
                return {buffer, static_cast<std::size_t>(result.value)};
            }
            if (result.error != EAGAIN) {
                return {};
            }
            slot_->direction(io_direction::read).clear_ready(seen);
            if (slot_->wait(io_direction::read, deadline) != io_wait_result::ready) {
                return {};
            }
        }
    }

    bool write(std::string const& text) {
        return errno_of(&::write, slot_->fd(), static_cast<void const*>(text.data()), text.size()).value ==
               static_cast<ssize_t>(text.size());
    }

    /// Fills the send buffer to the brim. Returns how many bytes went.
    std::size_t fill() {
        std::array<char, 4096> const bytes{};
        std::size_t sum = 0;
        for (;;) {
            std::uint32_t const seen = slot_->direction(io_direction::write).snapshot();
            auto const result = errno_of(&::write, slot_->fd(), static_cast<void const*>(bytes.data()), bytes.size());
            if (result.value < 0) {
                slot_->direction(io_direction::write).clear_ready(seen);
                return sum;
            }
            sum += static_cast<std::size_t>(result.value);
        }
    }

private:
    fd_slot* slot_;
    bool open_ = true;
};

std::array<int, 2> make_pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    return fds;
}

TEST(fd_slot, wakes_a_reader_when_there_is_something_to_read) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        auto t = spawn([&] { return a.read(); });
        yield_until_waiting(t);
        EXPECT_TRUE(b.write("hello"));
        EXPECT_EQ(t.get(), "hello");
    });
}

TEST(fd_slot, carries_many_messages_back_and_forth) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        auto echo = spawn([&] {
            for (std::string text = b.read(); !text.empty(); text = b.read()) {
                EXPECT_TRUE(b.write(text));
            }
        });
        for (int i = 0; i < 2'000; ++i) {
            std::string const text = std::to_string(i);
            EXPECT_TRUE(a.write(text));
            EXPECT_EQ(a.read(), text);
        }
        a.close();
        echo.get();
    });
}

TEST(fd_slot, wakes_a_writer_when_there_is_room_again) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        std::size_t rest = a.fill();
        EXPECT_GT(rest, 0u);
        auto t = spawn([&] {
            EXPECT_TRUE(a.slot().enter());
            // What a worker was told before it was full, it may pass on now: so not after the first wait already.
            std::size_t more = 0;
            while (more == 0) {
                EXPECT_EQ(a.slot().wait(io_direction::write, k_never), io_wait_result::ready);
                more = a.fill();
            }
            a.slot().exit();
            return more;
        });
        yield_until_waiting(t);
        while (rest != 0) {
            rest -= b.read().size();
        }
        EXPECT_GT(t.get(), 0u);
    });
}

TEST(fd_slot, end_of_the_stream_wakes_the_reader) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        auto t = spawn([&] { return a.read(); });
        yield_until_waiting(t);
        ::close(fds[1]);
        EXPECT_EQ(t.get(), "");
    });
}

TEST(fd_slot, wait_ends_at_its_deadline) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        EXPECT_EQ(a.read(clock::now() + k_a_moment), "");
        EXPECT_TRUE(b.write("late"));
        EXPECT_EQ(a.read(clock::now() + test::k_long_time), "late");
    });
}

TEST(fd_slot, cancelled_wait_throws_and_the_next_one_works) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        auto t = spawn([&] { a.read(); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(b.write("kept"));
        EXPECT_EQ(a.read(), "kept");
    });
}

TEST(fd_slot, closing_wakes_everybody_who_waits) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        std::vector<task<std::string>> readers;
        for (int i = 0; i < 5; ++i) {
            readers.push_back(spawn([&] { return a.read(); }));
            yield_until_waiting(readers.back());
        }
        a.close();
        for (auto& r : readers) {
            EXPECT_EQ(r.get(), "");
        }
    });
}

TEST(fd_slot, closing_from_a_plain_thread_wakes_who_waits) {
    on_one_and_four_workers([] {
        auto const fds = make_pair();
        end_of_pair a(fds[0]);
        end_of_pair b(fds[1]);
        auto t = spawn([&] { return a.read(); });
        yield_until_waiting(t);
        std::thread([&] { a.close(); }).join();
        EXPECT_EQ(t.get(), "");
    });
}

TEST(fd_slot, event_of_a_descriptor_that_was_closed_does_not_reach_its_successor) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 200; ++round) {
            auto const first = make_pair();
            auto a = std::make_unique<end_of_pair>(first[0]);
            auto t = spawn([&] { a->read(clock::now() + k_a_moment / 10); });
            t.get();
            std::uint64_t const stale = a->slot().event_name();
            fd_slot* const old_slot = &a->slot();
            a->close();
            ::close(first[1]);

            auto const second = make_pair();
            end_of_pair c(second[0]);
            end_of_pair d(second[1]);
            auto reader = spawn([&] { return c.read(); });
            yield_until_waiting(reader);
            if (&c.slot() == old_slot) {  // usually it is: slots are reused last in, first out
                EXPECT_NE(c.slot().event_name(), stale);
                wake_list wakes;
                auto const& direction = c.slot().direction(io_direction::read);
                std::uint32_t const before = direction.snapshot();
                c.slot().signal(static_cast<std::uint32_t>(stale >> 32), ~0u, wakes);
                EXPECT_TRUE(wakes.empty());
                EXPECT_EQ(direction.snapshot(), before);  // it is neither ready nor hung up by that
                EXPECT_FALSE(reader.done());
            }
            EXPECT_TRUE(d.write("fresh"));
            EXPECT_EQ(reader.get(), "fresh");
        }
    });
}

TEST(fd_slot, serves_plain_threads) {
    auto const fds = make_pair();
    end_of_pair a(fds[0]);
    end_of_pair b(fds[1]);
    EXPECT_EQ(a.read(clock::now() + k_a_moment), "");
    std::thread writer([&] { EXPECT_TRUE(b.write("from a thread")); });
    EXPECT_EQ(a.read(), "from a thread");
    writer.join();
}

TEST(fd_slot, readiness_that_comes_during_the_call_is_not_forgotten) {
    auto const fds = make_pair();
    end_of_pair a(fds[0]);
    end_of_pair b(fds[1]);
    auto& direction = a.slot().direction(io_direction::read);
    std::uint32_t const seen = direction.snapshot();
    wake_list wakes;
    a.slot().signal(static_cast<std::uint32_t>(a.slot().event_name() >> 32), 0x001 /* EPOLLIN */, wakes);
    direction.clear_ready(seen);
    EXPECT_NE(direction.snapshot() & io_readiness::k_ready, 0u);
}

TEST(reactor, interrupt_that_another_thread_finds_still_wakes_the_owner) {
    reactor poller;
    std::vector<epoll_event> events(reactor::k_batch);
    poller.interrupt();
    EXPECT_EQ(poller.poll_for_owner(events.data()), 0u);
    EXPECT_TRUE(poller.wait_until_readable(std::chrono::steady_clock::now())) << "the owner would sleep on";
}

// The writer of a pipe goes, which the poller reports, and the pipe is opened for writing once more.
TEST(fd_slot, waits_again_after_a_hang_up_that_is_over) {
    on_one_and_four_workers([] {
        std::array<int, 2> fds{};
        ASSERT_EQ(::pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC), 0);
        end_of_pair reader(fds[0]);
        auto writer = std::make_unique<end_of_pair>(fds[1]);
        std::string const path = "/proc/self/fd/" + std::to_string(fds[0]);
        auto waiting = spawn([&] { return reader.read(); });
        yield_until_waiting(waiting);
        writer.reset();
        EXPECT_EQ(waiting.get(), "");
        end_of_pair again(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        ASSERT_GE(again.slot().fd(), 0);
        EXPECT_EQ(reader.read(clock::now() + k_a_moment), "");
        auto next = spawn([&] { return reader.read(); });
        yield_until_waiting(next);
        EXPECT_TRUE(again.write("still there"));
        EXPECT_EQ(next.get(), "still there");
    });
}

#if COIR_FAULT_POINTS
// An event comes, and before its waiters are chosen they have left, and the slot belongs to another descriptor.
TEST(fd_slot, late_event_wakes_nobody_who_waits_for_the_next_descriptor) {
    fault_plan faults(1);
    faults.set(fault_point::delay_event, 1);
    for (int round = 0; round < 200; ++round) {
        io_readiness readiness;
        readiness.reset(1);
        readiness.clear_ready(readiness.snapshot());
        thread_waiter first;
        first.word.prepare(false);
        wait_node left;
        left.who = &first;
        ASSERT_TRUE(readiness.enlist(left));
        wake_list wakes;
        std::thread poller([&] { readiness.signal(1, false, wakes); });
        while ((readiness.snapshot() & io_readiness::k_ready) == 0) {
        }
        readiness.withdraw(left);
        readiness.reset(2);
        readiness.clear_ready(readiness.snapshot());
        thread_waiter second;
        second.word.prepare(false);
        wait_node next;
        next.who = &second;
        ASSERT_TRUE(readiness.enlist(next));
        poller.join();
        EXPECT_FALSE(next.chosen);
        wakes.wake_all();
        readiness.withdraw(next);
    }
}
#endif

}  // namespace
}  // namespace coir::detail

// SPDX-License-Identifier: BSL-1.0
//
// What hardly ever happens, made to happen: fault points strike all the time, and each byte, result and task is counted.
// Each test also looks whether the places that it is about were really hit. Builds without fault points have no such tests.

#include "core/base/fault.hpp"

#if COIR_FAULT_POINTS

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace coir {
namespace {

using namespace std::chrono_literals;
using detail::fault_plan;
using detail::fault_point;

class faults : public test::stress {
protected:
    // Only what a test asks for.
    faults() { faults_.set(detail::k_scheduling_faults, 0); }

    // An operation is a visit to a place that a test makes strike, or a task.
    static void expect_hits(std::initializer_list<fault_point> points) {
        for (fault_point const point : points) {
            did(fault_plan::visits(point));
            EXPECT_GT(fault_plan::hits(point), 0u)
                << name_of(point) << " was asked " << fault_plan::visits(point) << " times and never struck";
        }
    }

    // Calls f(0), f(1), ...: so often, and then until each of the points has struck. Whether one does is a matter of chance, and
    // for some also of who runs when.
    template <class F>
    static void rounds_that_hit(int times, std::initializer_list<fault_point> points, F const& f) {
        auto const have_struck = [points] {
            return std::all_of(points.begin(), points.end(), [](fault_point p) { return fault_plan::hits(p) != 0; });
        };
        for (int round = 0; !HasFailure() && (round < times || (round < 100 * times && !have_struck())); ++round) {
            f(round);
        }
        expect_hits(points);
    }
};

// --- the plan itself ------------------------------------------------------------------------------------------------

std::vector<bool> ask(int times) {
    std::vector<bool> answers;
    for (int i = 0; i < times; ++i) {
        answers.push_back(COIR_FAULT(read_interrupted));
    }
    return answers;
}

TEST(fault_plan, same_seed_strikes_at_the_same_visits_and_another_one_at_others) {
    std::vector<std::vector<bool>> answers;
    for (std::uint64_t const seed : {1u, 1u, 2u}) {
        fault_plan plan(seed);
        plan.set(fault_point::read_interrupted, 4);
        answers.push_back(ask(400));
        EXPECT_EQ(fault_plan::visits(fault_point::read_interrupted), 400u);
        auto const struck = static_cast<std::uint64_t>(std::count(answers.back().begin(), answers.back().end(), true));
        EXPECT_EQ(fault_plan::hits(fault_point::read_interrupted), struck);
        EXPECT_GT(struck, 50u);
        EXPECT_LT(struck, 200u);
    }
    EXPECT_EQ(answers[0], answers[1]);
    EXPECT_NE(answers[0], answers[2]);
}

TEST(fault_plan, strikes_at_most_as_often_as_it_is_told_and_never_after_its_end) {
    {
        fault_plan plan(1);
        plan.set(fault_point::read_interrupted, 1, 3);
        EXPECT_EQ(ask(5), (std::vector<bool>{true, true, true, false, false}));
        plan.set(fault_point::read_interrupted, 1, 1);
        EXPECT_EQ(ask(2), (std::vector<bool>{true, false}));
        plan.set(fault_point::read_interrupted, 1);
    }
    EXPECT_EQ(ask(3), std::vector<bool>(3, false));
}

TEST(fault_plan, shortened_sizes_are_smaller_and_never_nothing) {
    fault_plan plan(1);
    plan.set(fault_point::read_short, 1);
    for (std::size_t size = 0; size < 200; ++size) {
        std::size_t shorter = size;
        COIR_FAULT_SHORTEN(read_short, shorter);
        EXPECT_TRUE(size < 2 ? shorter == size : shorter > 0 && shorter < size) << size << " became " << shorter;
    }
}

// --- sockets --------------------------------------------------------------------------------------------------------

std::byte byte_at(std::size_t stream, std::size_t offset) {
    return static_cast<std::byte>((offset * 31 + offset / 251 + stream * 17) & 0xff);
}

// Sends back whatever comes, until the peer ends its direction.
void echo(net::tcp_stream peer) {
    std::vector<std::byte> buffer(4096);
    while (std::size_t const count = peer.read_some(buffer)) {
        peer.write(std::span(buffer).first(count));
    }
    peer.shutdown();
}

void send_all(net::tcp_stream& to, std::size_t stream, std::size_t total, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::byte> chunk;
    for (std::size_t sent = 0; sent < total; sent += chunk.size()) {
        chunk.resize(std::min<std::size_t>(total - sent, 1 + random() % 9000));
        for (std::size_t i = 0; i < chunk.size(); ++i) {
            chunk[i] = byte_at(stream, sent + i);
        }
        to.write(chunk);
    }
    to.shutdown();
}

// Returns how many bytes came before the end, all of them right.
std::size_t receive_all(net::tcp_stream& from, std::size_t stream) {
    std::vector<std::byte> buffer(7000);
    std::size_t received = 0;
    while (std::size_t const count = from.read_some(buffer)) {
        for (std::size_t i = 0; i < count; ++i) {
            if (buffer[i] != byte_at(stream, received + i)) {
                ADD_FAILURE() << "stream " << stream << " is wrong at byte " << received + i;
                return received + i;
            }
        }
        received += count;
    }
    return received;
}

TEST_F(faults, every_byte_of_an_echo_comes_back_in_its_place) {
    auto const total = static_cast<std::size_t>(scaled(60'000));
    constexpr std::size_t k_streams = 6;
    rounds_that_hit(2, detail::k_io_faults, [&](int round) {
        faults_.set(detail::k_io_faults, round % 2 == 0 ? 2 : 9);
        faults_.set(fault_point::poll_interrupted, 4);
        run(runtime_options{.workers = workers()}, [&] {
            net::tcp_listener listener("127.0.0.1", 0);
            auto const port = listener.port();
            task_group all;
            all.spawn([&] {
                task_group served;
                for (std::size_t i = 0; i < k_streams; ++i) {
                    served.spawn([peer = listener.accept()]() mutable { echo(std::move(peer)); });
                }
                served.wait();
            });
            for (std::size_t stream = 0; stream < k_streams; ++stream) {
                all.spawn([&, stream, seed = random()()] {
                    auto client = net::connect("127.0.0.1", port);
                    task_group both;
                    both.spawn([&] { send_all(client, stream, total, seed); });
                    EXPECT_EQ(receive_all(client, stream), total);
                    both.wait();
                });
            }
            all.wait();
        });
    });
}

TEST_F(faults, plain_threads_and_tasks_exchange_every_byte) {
    auto const total = static_cast<std::size_t>(scaled(200'000));
    faults_.set(detail::k_io_faults, 3);
    runtime rt(runtime_options{.workers = 2});
    net::tcp_listener listener("127.0.0.1", 0);
    auto server = rt.spawn([&] { echo(listener.accept()); });
    auto client = net::connect("127.0.0.1", listener.port());
    std::thread sender([&, seed = random()()] { send_all(client, 1, total, seed); });
    EXPECT_EQ(receive_all(client, 1), total);
    sender.join();
    server.get();
    expect_hits({fault_point::read_not_ready, fault_point::write_not_ready, fault_point::read_short});
}

TEST_F(faults, http_answers_are_whole) {
    faults_.set(detail::k_io_faults, 3);
    run(runtime_options{.workers = workers()}, [&] {
        net::http::server server;
        server.route("GET", "/{n}", [](net::http::request& r, net::http::response_writer& w) {
            w.write(std::string(std::stoul(r.param("n")), '#'));
        });
        server.listen("127.0.0.1", 0);
        task_group clients;
        for (int c = 0; c < 4; ++c) {
            clients.spawn([&, c] {
                for (std::size_t n = 1; n < 9'000; n = n * 3 + static_cast<std::size_t>(c)) {
                    auto s = net::open_connection("127.0.0.1", server.port());
                    s.write("GET /" + std::to_string(n) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    s.drain();
                    std::string const answer = s.read();
                    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 60);
                    EXPECT_EQ(static_cast<std::size_t>(std::count(answer.begin(), answer.end(), '#')), n);
                }
            });
        }
        clients.wait();
    });
    expect_hits({fault_point::read_not_ready, fault_point::write_short, fault_point::read_short});
}

TEST_F(faults, every_connection_is_accepted_when_there_are_descriptors_again) {
    constexpr int k_connections = 12;
    faults_.set(fault_point::accept_no_descriptor, 2).set(fault_point::read_not_ready, 3);
    rounds_that_hit(1, {fault_point::accept_no_descriptor}, [&](int) {
        run(runtime_options{.workers = workers()}, [&] {
            net::tcp_listener listener("127.0.0.1", 0);
            task_group all;
            all.spawn([&] {
                for (int i = 0; i < k_connections; ++i) {
                    all.spawn([peer = listener.accept()]() mutable { echo(std::move(peer)); });
                }
            });
            for (std::size_t i = 0; i < k_connections; ++i) {
                all.spawn([&, i, seed = random()()] {
                    auto client = net::connect("127.0.0.1", listener.port());
                    send_all(client, i, 100, seed);
                    EXPECT_EQ(receive_all(client, i), 100u);
                });
            }
            all.wait();
        });
    });
}

TEST_F(faults, a_descriptor_that_cannot_be_watched_is_an_error_and_works_the_next_time) {
    run(runtime_options{.workers = 1}, [&] {
        net::tcp_listener listener("127.0.0.1", 0);
        auto client = net::connect("127.0.0.1", listener.port());
        auto server = listener.accept();
        std::byte one{};
        std::error_code error;
        faults_.set(fault_point::watch_no_memory, 1, 1);
        EXPECT_EQ(server.read_some(std::span(&one, 1), error), 0u);
        EXPECT_EQ(error, std::errc::not_enough_memory);
        EXPECT_EQ(fault_plan::hits(fault_point::watch_no_memory), 1u);
        auto reader = spawn([&] { return server.read_some(std::span(&one, 1)); });
        test::yield_until_waiting(reader);
        std::byte const sent{42};
        client.write(std::span(&sent, 1));
        EXPECT_EQ(reader.get(), 1u);
        EXPECT_EQ(one, sent);
    });
    did(2);
}

// --- memory ---------------------------------------------------------------------------------------------------------

// Spawns `count` tasks, of which some are refused; all others must run, once. Returns how many were refused.
int spawn_what_memory_allows(int count) {
    std::atomic<int> ran{0};
    int refused = 0;
    std::vector<task<void>> made;
    made.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        auto const marker = std::make_shared<int>(i);
        try {
            made.push_back(spawn([&ran, marker] { ran += *marker >= 0; }));
        } catch (std::bad_alloc const&) {
            EXPECT_EQ(marker.use_count(), 1) << "the callable of a task that was refused is left";
            ++refused;
        }
    }
    for (auto& t : made) {
        t.get();
    }
    EXPECT_EQ(ran + refused, count);
    test::stress::did(static_cast<std::uint64_t>(count));
    return refused;
}

TEST_F(faults, spawn_without_memory_tells_its_caller_and_works_the_next_time) {
    for (fault_point const place : {fault_point::record_memory, fault_point::queue_memory}) {
        SCOPED_TRACE(name_of(place));
        int refused = 0;
        for (int round = 0; round < scaled(6) || (refused == 0 && round < scaled(600)); ++round) {
            // A fresh one each time: its queues have yet to grow.
            run(runtime_options{.workers = round % 2 == 0 ? 1 : workers()}, [&] {
                faults_.set(place, 2);
                refused += spawn_what_memory_allows(3'000);
                faults_.set(place, 0);
                EXPECT_EQ(spawn([] { return 5; }).get(), 5);
            });
        }
        EXPECT_GT(refused, 0);
        expect_hits({place});
    }
}

TEST_F(faults, group_that_cannot_spawn_any_more_loses_no_child) {
    std::uint64_t hits = 0;
    for (int round = 0; round < scaled(12) || (hits == 0 && round < scaled(1'200)); ++round) {
        run(runtime_options{.workers = round % 2 == 0 ? 1 : workers()}, [&] {
            faults_.set(fault_point::record_memory, 2).set(fault_point::queue_memory, 2);
            std::atomic<int> begun{0};
            std::atomic<int> ended{0};
            bool refused = false;
            try {
                scope([&](task_group& g) {
                    for (int i = 0; i < 600; ++i) {
                        g.spawn([&] {
                            ++begun;
                            struct at_end {
                                std::atomic<int>& count;
                                ~at_end() { ++count; }
                            } const counts{ended};
                            yield();
                            sleep(1us);
                        });
                    }
                });
            } catch (std::bad_alloc const&) {
                refused = true;
            }
            EXPECT_EQ(begun, ended);
            EXPECT_TRUE(refused || ended == 600);
            hits += refused;
            did(static_cast<std::uint64_t>(begun) + static_cast<std::uint64_t>(refused));
            faults_.set(fault_point::record_memory, 0).set(fault_point::queue_memory, 0);
        });
    }
    EXPECT_GT(hits, 0u);
}

TEST_F(faults, tasks_without_memory_for_a_stack_start_when_there_is_some) {
    // Sizes that nobody else has: their pools are empty.
    std::size_t size = std::size_t{300} * 1024;
    for (unsigned const count : {1u, 4u}) {
        run(runtime_options{.workers = count, .stack_size = size}, [&] {
            faults_.set(fault_point::stack_memory, 2);
            event gate;
            std::atomic<int> waited{0};
            std::vector<task<void>> made;
            for (int i = 0; i < 600; ++i) {
                made.push_back(spawn([&] {
                    gate.wait();
                    ++waited;
                }));
                if (i % 100 == 0) {
                    made.push_back(
                        spawn(task_options{.stack_size = size + 4096u * static_cast<unsigned>(i + 100)}, [&] {
                            gate.wait();
                            ++waited;
                        }));
                }
            }
            sleep(5ms);
            gate.set();
            for (auto& t : made) {
                t.get();
            }
            EXPECT_EQ(static_cast<std::size_t>(waited), made.size());
            did(made.size());
            faults_.set(fault_point::stack_memory, 0);
        });
        size += std::size_t{8} * 1024;
    }
    expect_hits({fault_point::stack_memory});
}

TEST_F(faults, runtime_without_memory_for_stacks_does_not_begin_and_the_next_one_does) {
    constexpr std::size_t k_size = std::size_t{340} * 1024;
    faults_.set(fault_point::stack_memory, 1);
    EXPECT_THROW(run(runtime_options{.workers = 3, .stack_size = k_size}, [] {}), std::bad_alloc);
    faults_.set(fault_point::stack_memory, 0);
    EXPECT_EQ(run(runtime_options{.workers = 3, .stack_size = k_size}, [] { return spawn([] { return 1; }).get(); }),
              1);
    expect_hits({fault_point::stack_memory});
}

// A thread needs a stack for its signals. One that found none for itself could tell nobody.
TEST_F(faults, blocking_without_memory_for_a_thread_tells_its_caller_and_works_the_next_time) {
    run(runtime_options{.workers = 1}, [&] {
        faults_.set(fault_point::stack_memory, 1, 1);
        EXPECT_THROW(blocking([] {}), std::system_error);
        EXPECT_EQ(fault_plan::hits(fault_point::stack_memory), 1u);
        EXPECT_EQ(blocking([] { return 3; }), 3);
    });
    did(2);
}

TEST_F(faults, waits_without_memory_for_their_deadline_are_refused_and_take_nothing) {
    run(runtime_options{.workers = workers()}, [&] {
        faults_.set(fault_point::timer_memory, 3);
        channel<int> items(4);
        std::atomic<int> sum{0};
        std::atomic<int> refused{0};
        std::vector<task<void>> poppers;
        for (int i = 0; i < 20; ++i) {
            poppers.push_back(spawn([&] {
                for (int item = 0;;) {
                    try {
                        auto const status = items.pop_for(1h, item);
                        if (status == channel_status::closed) {
                            return;
                        }
                        sum += item;
                    } catch (std::bad_alloc const&) {
                        ++refused;
                        yield();
                    }
                }
            }));
        }
        int const last = scaled(2'000);
        for (int i = 1; i <= last; ++i) {
            items.push(i);
        }
        items.close();
        for (auto& p : poppers) {
            p.get();
        }
        EXPECT_EQ(sum, last * (last + 1) / 2);
        EXPECT_GT(refused, 0);
        did(static_cast<std::uint64_t>(last + refused));
    });
}

// --- scheduling -----------------------------------------------------------------------------------------------------

// What runs in which order, as numbers.
std::vector<int> order_of_turns(std::uint64_t seed) {
    fault_plan plan(seed);
    plan.set(detail::k_scheduling_faults, 3);
    std::vector<int> order;
    run(runtime_options{.seed = 1}, [&] {
        mutex lock;
        std::vector<task<void>> made;
        for (int i = 0; i < 8; ++i) {
            made.push_back(spawn([&, i] {
                for (int turn = 0; turn < 10; ++turn) {
                    std::lock_guard const guard(lock);
                    order.push_back(i);
                }
            }));
        }
        for (auto& t : made) {
            t.get();
        }
    });
    EXPECT_GT(fault_plan::hits(fault_point::yield), 0u);
    EXPECT_GT(fault_plan::hits(fault_point::migrate), 0u);
    return order;
}

TEST(fault_schedules, with_one_seeded_worker_a_plan_replays_exactly) {
    auto const order = order_of_turns(1);
    EXPECT_EQ(order.size(), 80u);
    EXPECT_EQ(order_of_turns(1), order);
    EXPECT_NE(order_of_turns(2), order);
}

// A mixture of everything that makes tasks wait, and what came of it.
struct tally {
    std::atomic<int> results{0};
    std::atomic<int> cancelled_ones{0};
    std::atomic<int> timed_out{0};
    std::atomic<long> pushed{0};
    std::atomic<long> popped{0};
};

void work_and_count(tally& counts, std::uint64_t seed, int tasks) {
    std::mt19937_64 random(seed);
    channel<int> items(3);
    auto consumer = spawn([&] {
        while (auto const item = items.pop()) {
            counts.popped += *item;
        }
    });
    std::vector<task<int>> made;
    std::vector<bool> is_cancelled;
    for (int i = 0; i < tasks; ++i) {
        is_cancelled.push_back(random() % 3 == 0);
        made.push_back(spawn([&items, &counts, i, waits = bool(is_cancelled.back()), pick = random()] {
            items.push(i);
            counts.pushed += i;
            if (waits) {
                test::sleep_forever();
            }
            try {
                wait_for([&] { sleep(std::chrono::microseconds(pick % 100)); },
                         std::chrono::microseconds(pick / 128 % 100));
                return 1;
            } catch (timeout_error const&) {
                return 2;
            }
        }));
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (is_cancelled[i]) {
            test::yield_until([&] { return test::is_waiting(made[i]); });
            made[i].cancel();
        }
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
        try {
            int const result = made[i].get();
            counts.results += 1;
            counts.timed_out += result == 2;
            EXPECT_FALSE(is_cancelled[i]);
        } catch (cancelled const&) {
            EXPECT_TRUE(is_cancelled[i]);
            counts.cancelled_ones += 1;
        }
    }
    items.close();
    consumer.get();
    EXPECT_EQ(counts.results + counts.cancelled_ones, tasks);
}

TEST_F(faults, no_result_is_lost_whoever_runs_when) {
    rounds_that_hit(2 * scaled(3),
                    {fault_point::yield, fault_point::migrate, fault_point::steal, fault_point::delay_publish,
                     fault_point::delay_wake, fault_point::delay_park, fault_point::delay_time_out},
                    [&](int round) {
                        constexpr int k_tasks = 150;
                        faults_.set(detail::k_scheduling_faults, round % 2 == 0 ? 2 : 16);
                        tally counts;
                        run(runtime_options{.workers = workers()},
                            [&] { work_and_count(counts, random()(), k_tasks); });
                        EXPECT_EQ(counts.popped, counts.pushed);
                        EXPECT_GT(counts.results, 0);
                        EXPECT_GT(counts.cancelled_ones, 0);
                    });
}

TEST_F(faults, plain_threads_and_thieves_that_are_late_miss_nothing) {
    faults_.set(detail::k_scheduling_faults, 2);
    auto const points = {fault_point::delay_sleep, fault_point::delay_steal, fault_point::delay_wake,
                         fault_point::migrate};
    rounds_that_hit(scaled(5), points, [&](int) {
        constexpr int k_turns = 200;
        runtime rt(runtime_options{.workers = workers()});
        semaphore to_tasks(0);
        semaphore to_thread(0);
        std::vector<task<void>> partners;
        for (int i = 0; i < 4; ++i) {
            partners.push_back(rt.spawn([&] {
                for (int turn = 0; turn < k_turns; ++turn) {
                    to_tasks.acquire();
                    auto work = spawn([] { yield(); });
                    work.get();
                    to_thread.release();
                }
            }));
        }
        // Each turn has the thread wait for tasks, and those for it.
        for (int turn = 0; turn < 4 * k_turns; ++turn) {
            to_tasks.release();
            to_thread.acquire();
        }
        for (auto& p : partners) {
            p.get();
        }
        EXPECT_FALSE(to_thread.try_acquire());
    });
}

// Everything at once, as far as nobody may notice.
TEST_F(faults, sockets_and_schedules_go_wrong_at_the_same_time) {
    faults_.set(detail::k_scheduling_faults, 8).set(detail::k_io_faults, 8);
    auto const total = static_cast<std::size_t>(scaled(40'000));
    for (int round = 0; round < scaled(3); ++round) {
        run(runtime_options{.workers = workers()}, [&] {
            net::tcp_listener listener("127.0.0.1", 0);
            task_group all;
            for (std::size_t stream = 0; stream < 4; ++stream) {
                all.spawn([&] { echo(listener.accept()); });
                all.spawn([&, stream, seed = random()()] {
                    auto client = net::connect("127.0.0.1", listener.port());
                    task_group both;
                    both.spawn([&] { send_all(client, stream, total, seed); });
                    EXPECT_EQ(receive_all(client, stream), total);
                    both.wait();
                });
            }
            all.wait();
        });
    }
    expect_hits({fault_point::migrate, fault_point::read_not_ready});
}

}  // namespace
}  // namespace coir

#endif

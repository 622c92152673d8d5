// SPDX-License-Identifier: BSL-1.0
#include "tests/net/raw_client.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>
#include <coir/net.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

namespace net = coir::net;
using coir::test::on_one_and_four_workers;
using coir::test::yield_until_waiting;
using namespace std::chrono_literals;

std::span<std::byte const> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

struct connected_pair {
    net::tcp_stream client;
    net::tcp_stream server;
};

connected_pair make_pair(net::tcp_listener& listener) {
    connected_pair pair;
    pair.client = net::connect("127.0.0.1", listener.port());
    pair.server = listener.accept();
    return pair;
}

connected_pair make_pair() {
    net::tcp_listener listener("127.0.0.1", 0);
    return make_pair(listener);
}

std::string read_exactly(net::tcp_stream& from, std::size_t size) {
    std::string data(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        std::size_t const count = from.read_some(std::as_writable_bytes(std::span(data).subspan(have)));
        if (count == 0) {
            break;
        }
        have += count;
    }
    data.resize(have);
    return data;
}

std::string pattern(std::size_t size) {
    std::string data(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        data[i] = static_cast<char>(i * 31 + i / 251);
    }
    return data;
}

std::size_t read_once(net::tcp_stream& from, std::error_code& error) {
    std::array<std::byte, 64> buffer;
    return from.read_some(buffer, error);
}

TEST(tcp, what_is_written_is_read) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        for (int i = 0; i < 1000; ++i) {
            client.write(bytes_of("ping"));
            ASSERT_EQ(read_exactly(server, 4), "ping");
            server.write(bytes_of("pong"));
            ASSERT_EQ(read_exactly(client, 4), "pong");
        }
    });
}

TEST(tcp, works_on_plain_threads) {
    net::tcp_listener listener("127.0.0.1", 0);
    std::thread peer([&] {
        auto server = listener.accept();
        server.write(bytes_of(read_exactly(server, 5)));
    });
    auto client = net::connect("127.0.0.1", listener.port());
    client.write(bytes_of("hello"));
    EXPECT_EQ(read_exactly(client, 5), "hello");
    peer.join();
}

TEST(tcp, a_task_and_a_thread_share_one_stream) {
    auto pair = make_pair();
    auto& client = pair.client;
    auto& server = pair.server;
    coir::runtime rt(coir::runtime_options{.workers = 1});
    std::thread peer([&] {
        for (int i = 0; i < 200; ++i) {
            EXPECT_EQ(read_exactly(server, 4), "ping");
            server.write(bytes_of("pong"));
        }
    });
    rt.block_on([&] {
        for (int i = 0; i < 200; ++i) {
            client.write(bytes_of("ping"));
            EXPECT_EQ(read_exactly(client, 4), "pong");
        }
    });
    peer.join();
    rt.shutdown();
    // The same sockets, now on threads alone.
    client.write(bytes_of("more"));
    EXPECT_EQ(read_exactly(server, 4), "more");
}

TEST(tcp, large_transfers_go_both_ways_at_once) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        std::string const data = pattern(8 * 1024 * 1024);
        coir::scope([&](coir::task_group& group) {
            group.spawn([&] { client.write(bytes_of(data)); });
            group.spawn([&] { server.write(bytes_of(data)); });
            group.spawn([&] { EXPECT_TRUE(read_exactly(client, data.size()) == data); });
            group.spawn([&] { EXPECT_TRUE(read_exactly(server, data.size()) == data); });
        });
    });
}

TEST(tcp, half_closed_connections_still_carry_the_other_direction) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        client.write(bytes_of("last words"));
        client.shutdown(net::shutdown_type::send);
        EXPECT_EQ(read_exactly(server, 100), "last words");
        std::error_code error;
        EXPECT_EQ(read_once(server, error), 0u);
        EXPECT_FALSE(error);
        server.write(bytes_of("answer"));
        server.close();
        EXPECT_EQ(read_exactly(client, 100), "answer");
    });
}

TEST(tcp, reads_after_short_reads_wait_for_more) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        auto reader = coir::spawn([&] { return read_exactly(server, 300); });
        for (int i = 0; i < 100; ++i) {
            client.write(bytes_of("abc"));
            coir::yield();
        }
        EXPECT_EQ(reader.get().size(), 300u);
    });
}

TEST(tcp, a_vanished_peer_is_an_error_of_the_read) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        coir::test::raw_client client(listener.port());
        auto server = listener.accept();
        auto reader = coir::spawn([&] {
            std::error_code error;
            read_once(server, error);
            return error;
        });
        yield_until_waiting(reader);
        client.vanish();
        EXPECT_EQ(reader.get(), std::errc::connection_reset);
    });
}

TEST(tcp, writing_to_a_closed_peer_is_an_error_and_no_signal) {
    // SIGPIPE would end the process.
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        server.close();
        std::error_code error;
        std::string const data(64 * 1024, 'x');
        while (!error) {
            client.write(bytes_of(data), error);
        }
        while (error == std::errc::connection_reset) {
            client.write(bytes_of(data), error);
        }
        EXPECT_EQ(error, std::errc::broken_pipe);
        EXPECT_THROW(client.write(bytes_of(data)), std::system_error);
    });
}

TEST(tcp, close_wakes_a_blocked_reader) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        [[maybe_unused]] auto& client = pair.client;
        auto& server = pair.server;
        auto reader = coir::spawn([&] {
            std::error_code error;
            read_once(server, error);
            return error;
        });
        yield_until_waiting(reader);
        server.close();
        EXPECT_EQ(reader.get(), std::errc::operation_canceled);
        std::error_code error;
        read_once(server, error);
        EXPECT_EQ(error, std::errc::bad_file_descriptor);
    });
}

// However far the thread has come: it may be about to ask, and finds the socket shut down.
TEST(tcp, close_wakes_a_reader_on_a_plain_thread) {
    for (int round = 0; round < 200; ++round) {
        auto pair = make_pair();
        [[maybe_unused]] auto& client = pair.client;
        auto& server = pair.server;
        std::atomic<bool> started{false};
        std::error_code error;
        std::thread reader([&] {
            started = true;
            read_once(server, error);
        });
        while (!started) {
            std::this_thread::yield();
        }
        for (int i = 0; i < 50 * (round % 20); ++i) {
            started.load();
        }
        server.close();
        reader.join();
        // The thread may have come too late to wait.
        ASSERT_TRUE(error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor)
            << error.message();
    }
}

TEST(tcp, close_wakes_a_blocked_acceptor) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        auto acceptor = coir::spawn([&] {
            std::error_code error;
            listener.accept(error);
            return error;
        });
        yield_until_waiting(acceptor);
        listener.close();
        EXPECT_EQ(acceptor.get(), std::errc::operation_canceled);
    });
}

TEST(tcp, cancellation_ends_a_read_and_loses_nothing) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        auto reader = coir::spawn([&] {
            std::error_code error;
            return read_once(server, error);
        });
        yield_until_waiting(reader);
        reader.cancel();
        EXPECT_THROW(reader.get(), coir::cancelled);
        client.write(bytes_of("kept"));
        EXPECT_EQ(read_exactly(server, 4), "kept");
    });
}

TEST(tcp, cancellation_ends_an_accept_and_loses_no_connection) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        auto acceptor = coir::spawn([&] { return listener.accept(); });
        yield_until_waiting(acceptor);
        acceptor.cancel();
        EXPECT_THROW(acceptor.get(), coir::cancelled);
        auto pair = make_pair(listener);
        auto& client = pair.client;
        auto& server = pair.server;
        client.write(bytes_of("x"));
        EXPECT_EQ(read_exactly(server, 1), "x");
    });
}

TEST(tcp, a_pending_cancellation_is_thrown_before_anything_is_read) {
    coir::run([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        client.write(bytes_of("kept"));
        coir::current_task().cancel();
        std::error_code error;
        EXPECT_THROW(read_once(server, error), coir::cancelled);
        EXPECT_EQ(read_exactly(server, 4), "kept");
    });
}

// A listener whose queue is full answers no more connections.
class full_listener {
public:
    full_listener() {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr const*>(&at), sizeof at), 0);
        EXPECT_EQ(::listen(fd_, 0), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size), 0);
        port_ = ntohs(at.sin_port);
        filler_.emplace(port_);
        // The kernel queues it behind the client's back.
        pollfd queue{fd_, POLLIN, 0};
        EXPECT_EQ(::poll(&queue, 1, -1), 1);
    }
    full_listener(full_listener const&) = delete;
    full_listener& operator=(full_listener const&) = delete;
    ~full_listener() { ::close(fd_); }

    std::uint16_t port() const { return port_; }

private:
    int const fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::uint16_t port_ = 0;
    std::optional<coir::test::raw_client> filler_;
};

TEST(tcp, cancellation_ends_a_connect) {
    on_one_and_four_workers([] {
        full_listener full;
        auto connecting = coir::spawn([&] { return net::connect("127.0.0.1", full.port()); });
        yield_until_waiting(connecting);
        connecting.cancel();
        EXPECT_THROW(connecting.get(), coir::cancelled);
    });
}

TEST(tcp, connect_gives_up_at_its_timeout) {
    on_one_and_four_workers([] {
        full_listener full;
        EXPECT_THROW(net::connect("127.0.0.1", full.port(), net::connect_options{.timeout = 20ms}),
                     coir::timeout_error);
    });
    full_listener full;
    EXPECT_THROW(net::connect("127.0.0.1", full.port(), net::connect_options{.timeout = 20ms}), coir::timeout_error);
}

// A port that nobody listens on, and nobody can as long as it lives: a socket is bound to it.
class idle_port {
public:
    idle_port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_ANY);
        socklen_t size = sizeof here;
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr const*>(&here), size), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&here), &size), 0);
        number_ = ntohs(here.sin_port);
    }
    idle_port(idle_port const&) = delete;
    idle_port& operator=(idle_port const&) = delete;
    ~idle_port() { ::close(fd_); }
    std::uint16_t number() const { return number_; }

private:
    int fd_;
    std::uint16_t number_ = 0;
};

TEST(tcp, connecting_to_a_port_without_listener_is_refused) {
    on_one_and_four_workers([] {
        idle_port const port;
        try {
            net::connect("127.0.0.1", port.number());
            FAIL() << "connected";
        } catch (std::system_error const& error) {
            EXPECT_EQ(error.code(), std::errc::connection_refused);
        }
    });
}

TEST(tcp, connect_goes_on_to_the_next_address) {
    on_one_and_four_workers([] {
        // localhost has an address of either family; the listener only one of them.
        net::tcp_listener listener("::1", 0);
        auto client = net::connect("localhost", std::to_string(listener.port()));
        EXPECT_EQ(client.remote_endpoint().address(), "::1");
    });
}

// In a shield, what a runtime's shutdown cancels may still wait, but the tasks of its attempts never run.
TEST(tcp, connect_in_a_shield_ends_while_the_runtime_shuts_down) {
    for (unsigned const workers : {1u, 4u}) {
        bool ended = false;
        idle_port const port;
        coir::run(coir::runtime_options{.workers = workers}, [&] {
            auto polite = coir::spawn([&] {
                try {
                    coir::test::sleep_forever();
                } catch (coir::cancelled const&) {
                }
                coir::cancel_shield const shield;
                EXPECT_THROW(net::connect("localhost", port.number()), std::system_error);
                ended = true;
            });
            yield_until_waiting(polite);
            polite.detach();
        });
        EXPECT_TRUE(ended);
    }
}

// From now on the calling thread is one of a machine without IPv6.
void forget_ipv6() {
    constexpr std::uint32_t k_family = offsetof(seccomp_data, args);  // its lower half comes first
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, k_family),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog const filter{std::size(program), program};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
    ASSERT_EQ(::socket(AF_INET6, SOCK_STREAM, 0), -1);
}

TEST(tcp, machine_without_ipv6_listens_and_connects) {
    static_assert(std::endian::native == std::endian::little);
    std::thread([] {
        forget_ipv6();
        net::tcp_listener listener("", 0);
        EXPECT_EQ(listener.local_endpoint().address(), "0.0.0.0");
        coir::runtime_options const one{.workers = 1};  // on a thread that this one starts
        coir::run(one, [&] {
            EXPECT_EQ(net::connect("localhost", listener.port()).remote_endpoint().address(), "127.0.0.1");
        });
        EXPECT_EQ(net::connect("localhost", listener.port()).remote_endpoint().address(), "127.0.0.1");
        try {
            net::tcp_listener("::1", 0);
            ADD_FAILURE() << "it listens";
        } catch (std::system_error const& error) {
            EXPECT_EQ(error.code(), std::errc::address_family_not_supported);
        }
    }).join();
}

TEST(tcp, addresses_and_ports_are_known) {
    coir::run([] {
        net::tcp_listener listener("127.0.0.1", 0);
        auto pair = make_pair(listener);
        auto& client = pair.client;
        auto& server = pair.server;
        EXPECT_EQ(server.local_endpoint().to_string(), "127.0.0.1:" + std::to_string(listener.port()));
        EXPECT_EQ(client.local_endpoint(), server.remote_endpoint());
        EXPECT_EQ(server.remote_endpoint().address(), "127.0.0.1");
    });
    EXPECT_THROW(net::connect("127.0.0.1", 65536), std::out_of_range);
    EXPECT_THROW(net::connect("127.0.0.1", "65536"), std::out_of_range);
}

TEST(tcp, a_port_in_use_is_an_error) {
    net::tcp_listener first("127.0.0.1", 0);
    try {
        net::tcp_listener second("127.0.0.1", first.port());
        FAIL() << "two listeners on one port";
    } catch (std::system_error const& error) {
        EXPECT_EQ(error.code(), std::errc::address_in_use);
    }
}

TEST(tcp, set_timeout_ends_a_read) {
    on_one_and_four_workers([] {
        auto pair = make_pair();
        auto& client = pair.client;
        auto& server = pair.server;
        server.set_timeout(5ms);
        std::error_code error;
        read_once(server, error);
        EXPECT_EQ(error, std::errc::timed_out);
        std::array<std::byte, 8> buffer;
        EXPECT_THROW(server.read_some(buffer), coir::timeout_error);
        server.set_timeout(1h);
        client.write(bytes_of("late"));
        EXPECT_EQ(read_exactly(server, 4), "late");
    });
}

TEST(tcp, a_descriptor_number_that_is_used_again_gets_no_old_events) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        for (int round = 0; round < 300; ++round) {
            coir::test::raw_client first(listener.port());
            auto old_stream = listener.accept();
            auto reader = coir::spawn([&] {
                std::error_code error;
                read_once(old_stream, error);
            });
            yield_until_waiting(reader);
            // The event is on its way when the descriptor is closed, and its number taken by the next one.
            first.send("x");
            old_stream.close();
            coir::test::raw_client second(listener.port());
            auto new_stream = listener.accept();
            auto silent = coir::spawn([&] {
                std::error_code error;
                return read_once(new_stream, error);
            });
            reader.wait();
            second.send("yz");
            ASSERT_EQ(silent.get(), 2u);
        }
    });
}

TEST(tcp, a_socket_with_endless_input_does_not_starve_the_others) {
    coir::run(coir::runtime_options{.workers = 1}, [] {
        auto flood = make_pair();
        auto quiet = make_pair();
        std::atomic<bool> stop{false};
        std::thread flooder([&] {
            std::string const data(64 * 1024, 'f');
            std::error_code error;
            while (!stop && !error) {
                flood.client.write(bytes_of(data), error);
            }
        });
        std::size_t flooded = 0;
        auto sink = coir::spawn([&] {
            std::array<std::byte, 4096> buffer;
            std::error_code error;
            for (;;) {
                std::size_t const count = flood.server.read_some(buffer, error);
                if (count == 0) {
                    return;
                }
                flooded += count;
            }
        });
        auto echo = coir::spawn([&] {
            for (int i = 0; i < 100; ++i) {
                quiet.server.write(bytes_of(read_exactly(quiet.server, 4)));
            }
        });
        coir::test::yield_until([&] { return flooded > 0; });
        for (int i = 0; i < 100; ++i) {
            quiet.client.write(bytes_of("ping"));
            ASSERT_EQ(read_exactly(quiet.client, 4), "ping");
        }
        EXPECT_FALSE(sink.done());
        stop = true;
        flood.client.shutdown(
            net::shutdown_type::both);  // ends a write that waits for room: nobody reads while we join
        flooder.join();
        echo.get();
        sink.get();
    });
}

// Takes every descriptor that the process may have but `free` of them.
class hungry {
public:
    explicit hungry(std::size_t free) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit low = before_;
        low.rlim_cur = 256;
        ::setrlimit(RLIMIT_NOFILE, &low);
        for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
            taken_.push_back(fd);
        }
        for (; free != 0; --free) {
            give_back();
        }
    }
    ~hungry() {
        while (!taken_.empty()) {
            give_back();
        }
        ::setrlimit(RLIMIT_NOFILE, &before_);
    }
    void give_back() {
        ::close(taken_.back());
        taken_.pop_back();
    }

private:
    rlimit before_{};
    std::vector<int> taken_;
};

TEST(tcp, accept_survives_being_out_of_descriptors) {
    if (COIR_ASAN) {
        GTEST_SKIP()
            << "UndefinedBehaviorSanitizer looks at objects through a pipe, and reports an error if it gets none";
    }
    coir::run(coir::runtime_options{.workers = 1}, [] {
        net::tcp_listener listener("127.0.0.1", 0);
        // One descriptor for the client, none for the server's end.
        hungry process(1);
        coir::test::raw_client client(listener.port());
        ASSERT_GE(client.fd(), 0);
        auto acceptor = coir::spawn([&] { return listener.accept(); });
        auto const before = coir::runtime::current().stats();
        // accept() pauses between its attempts, and at no time for less than this task does.
        constexpr unsigned k_turns = 10;
        for (unsigned i = 0; i < k_turns; ++i) {
            coir::sleep(5ms);
        }
        EXPECT_FALSE(acceptor.done());
        EXPECT_LE(coir::runtime::current().stats().tasks_resumed - before.tasks_resumed, 2 * k_turns + 2);
        process.give_back();
        auto server = acceptor.get();
        client.send("here");
        EXPECT_EQ(read_exactly(server, 4), "here");
    });
}

// --- datagrams

std::string receive(net::udp_socket& from, net::endpoint& sender) {
    std::string data(100, '\0');
    data.resize(from.receive_from(std::as_writable_bytes(std::span(data)), sender));
    return data;
}

TEST(udp, datagrams_keep_their_bounds_and_say_who_sent_them) {
    on_one_and_four_workers([] {
        net::udp_socket a("127.0.0.1", 0);
        net::udp_socket b("localhost", 0);
        net::udp_socket any("", 0);
        net::endpoint sender;
        auto const to_b = b.local_endpoint();
        for (std::string const text : {"one", "", "three"}) {
            EXPECT_EQ(a.send_to(bytes_of(text), to_b), text.size());
        }
        // Three are there at once; a short one does not hide the next.
        EXPECT_EQ(receive(b, sender), "one");
        EXPECT_EQ(receive(b, sender), "");
        EXPECT_EQ(receive(b, sender), "three");
        EXPECT_EQ(sender, a.local_endpoint());
        auto receiver = coir::spawn([&] { return receive(b, sender); });
        yield_until_waiting(receiver);
        any.send_to(bytes_of("from any"), to_b);
        EXPECT_EQ(receiver.get(), "from any");
        EXPECT_EQ(sender.port(), any.port());
    });
}

// A service that the system knows for datagrams alone, if there is one.
std::optional<std::string> service_of_datagrams() {
    std::vector<std::string> names;
    ::setservent(1);
    while (servent const* const entry = ::getservent()) {
        if (std::string_view(entry->s_proto) == "udp" && ntohs(static_cast<std::uint16_t>(entry->s_port)) >= 1024) {
            names.emplace_back(entry->s_name);
        }
    }
    ::endservent();
    std::erase_if(names, [](std::string const& name) { return ::getservbyname(name.c_str(), "tcp") != nullptr; });
    return names.empty() ? std::nullopt : std::optional(names.front());
}

TEST(udp, service_is_looked_up_as_one_of_datagrams) {
    auto const name = service_of_datagrams();
    if (!name) {
        GTEST_SKIP() << "the system knows no service for datagrams alone";
    }
    coir::run([&] {
        EXPECT_THROW(net::resolve("127.0.0.1", *name), std::system_error);
        auto const found = net::resolve("127.0.0.1", *name, net::transport::udp);
        ASSERT_EQ(found.size(), 1u);
        try {
            EXPECT_EQ(net::udp_socket("127.0.0.1", *name).port(), found.front().port());
        } catch (std::system_error const& error) {
            EXPECT_EQ(error.code(), std::errc::address_in_use);  // somebody else's, and so it was found
        }
    });
}

TEST(udp, datagram_beyond_the_buffer_is_an_error_with_its_beginning) {
    coir::run([] {
        net::udp_socket a("127.0.0.1", 0);
        net::endpoint sender;
        a.send_to(bytes_of("too long"), a.local_endpoint());
        a.send_to(bytes_of("next"), a.local_endpoint());
        std::array<std::byte, 4> buffer;
        std::error_code error;
        EXPECT_EQ(a.receive_from(buffer, sender, error), 4u);
        EXPECT_EQ(error, std::errc::message_size);
        EXPECT_EQ(buffer[3], std::byte{' '});
        EXPECT_EQ(receive(a, sender), "next");
    });
}

TEST(udp, waits_end_by_cancellation_close_and_timeout_and_lose_nothing) {
    on_one_and_four_workers([] {
        net::udp_socket a("127.0.0.1", 0);
        net::endpoint sender;
        auto cancelled = coir::spawn([&] { receive(a, sender); });
        yield_until_waiting(cancelled);
        cancelled.cancel();
        EXPECT_THROW(cancelled.get(), coir::cancelled);
        a.set_timeout(5ms);
        EXPECT_THROW(receive(a, sender), coir::timeout_error);
        a.set_timeout(0ms);
        a.send_to(bytes_of("kept"), a.local_endpoint());
        EXPECT_EQ(receive(a, sender), "kept");
        auto closed = coir::spawn([&] {
            std::error_code error;
            std::array<std::byte, 4> buffer;
            a.receive_from(buffer, sender, error);
            return error;
        });
        yield_until_waiting(closed);
        a.close();
        EXPECT_EQ(closed.get(), std::errc::operation_canceled);
        EXPECT_THROW(a.send_to(bytes_of("x"), sender), std::system_error);
    });
}

}  // namespace

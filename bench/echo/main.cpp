// SPDX-License-Identifier: BSL-1.0
#include "bench/echo/echo.hpp"

#include <cstdio>
#include <cstring>

namespace bench::echo {
namespace {

constexpr std::chrono::milliseconds k_slice(80);

struct contestant {
    std::unique_ptr<server> runs;
    std::unique_ptr<client> talks;
    std::uint64_t requests = 0;
    measurement rate;
    measurement cpu;
};

void one_slice(contestant& c) {
    double const cpu_before = c.runs->cpu_nanoseconds();
    client::result const got = c.talks->run(k_slice);
    c.requests += got.requests;
    c.rate.rounds.push_back(static_cast<double>(got.requests) * 1e9 / got.nanoseconds);
    c.cpu.rounds.push_back((c.runs->cpu_nanoseconds() - cpu_before) / static_cast<double>(got.requests));
}

std::vector<contestant> all_of_them(char const* only) {
    std::vector<contestant> all;
    for (auto const start : {&bare_epoll, &coir_server, &asio_callbacks}) {
        contestant c;
        c.runs = start();
        if (only != nullptr && c.runs->name() != only) {
            continue;
        }
        c.talks = std::make_unique<client>(c.runs->port());
        c.rate.name = c.cpu.name = c.runs->name();
        all.push_back(std::move(c));
    }
    if (all.empty()) {
        throw std::runtime_error("no server is called " + std::string(only));
    }
    return all;
}

// `only`: one server alone and no table, for counting its system calls from outside.
void run_all(char const* only) {
    std::vector<contestant> all = all_of_them(only);
    pin_this_thread(k_client_core);
    for (contestant& c : all) {
        c.talks->run(k_slice);  // warms up
    }
    std::uint64_t const calls_before = all.front().runs->system_calls();
    int const rounds = rounds_wanted(31);
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t turn = 0; turn < all.size(); ++turn) {
            one_slice(all[(turn + static_cast<std::size_t>(round)) % all.size()]);
        }
    }
    if (only != nullptr) {
        std::printf("%s: %llu requests\n", only, static_cast<unsigned long long>(all.front().requests));
        return;
    }
    std::vector<measurement> rates;
    std::vector<measurement> cpu;
    for (contestant const& c : all) {
        rates.push_back(c.rate);
        cpu.push_back(c.cpu);
    }
    print_table(
        {.title = "TCP echo, 64 bytes, 50 connections: requests per second", .unit = "requests/s", .decimals = 0},
        rates,
        {{.subject = "coir", .reference = "bare epoll loop", .bound = 0.97, .direction = goal::sense::at_least},
         {.subject = "coir", .reference = "Asio callbacks", .bound = 1.0, .direction = goal::sense::at_least}});
    print_table({.title = "the same: the server's time on its core", .unit = "ns/request", .decimals = 0}, cpu, {});
    std::printf("  system calls of the bare loop: %.2f a request\n",
                static_cast<double>(all.front().runs->system_calls() - calls_before) /
                    static_cast<double>(all.front().requests));
}

}  // namespace
}  // namespace bench::echo

int main(int argc, char** argv) {
    return bench::guarded_main([&] {
        if (bench::usable_cores() < 2) {
            std::printf("echo: left out, as it needs two cores\n");
            return;
        }
        bench::echo::run_all(argc > 1 ? argv[1] : nullptr);
    });
}

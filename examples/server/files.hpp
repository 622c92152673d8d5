// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/net.hpp>

#include <string>

/// One directory, served read-only. Nothing outside of it can be reached, through whatever path or symbolic link.
class file_directory {
public:
    /// Throws std::system_error if the directory cannot be read.
    explicit file_directory(std::string const& path);
    file_directory(file_directory const&) = delete;
    file_directory& operator=(file_directory const&) = delete;
    ~file_directory();

    /// Answers with the file at the parameter `path`, relative to the directory; 404 for everything that is no readable file
    /// in it. Throws std::system_error if the system is out of something.
    void send(coir::net::http::request const& asked, coir::net::http::response_writer& answer) const;

private:
    int fd_;
};

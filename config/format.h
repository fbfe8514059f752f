/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms that a string of config.json may have to have. Each returns NULL when `text` has it, else
 * what was expected, to be read after "expected " ("an absolute path").
 */
#pragma once

const char *format_not_empty(const char *text);
const char *format_absolute_path(const char *text);

/* Semantic Versioning 2.0.0. */
const char *format_semantic_version(const char *text);

/* NAME=value with a NAME (environ(7)). */
const char *format_environment(const char *text);

/* CPUs or memory nodes: "0-3,7" (cpuset(7), "List format"). */
const char *format_number_list(const char *text);

/* "64KB", "2MB", "1GB" (config-linux.md, "Huge page limits"). */
const char *format_page_size(const char *text);

/* A name that the kernel takes for a network device (dev_valid_name()). */
const char *format_interface(const char *text);

/* The same, or a template with one %d in it (config-linux.md, "Network Devices"). */
const char *format_interface_template(const char *text);

/* One line: no line feed. */
const char *format_line(const char *text);

/* "MB:…" on one line (config-linux.md, "IntelRdt"). */
const char *format_memory_bandwidth(const char *text);

/* A directory's name below resctrl, or "/" for its top. */
const char *format_clos_id(const char *text);

/* A file's name in a cgroup: no '/', with a controller before a '.'. */
const char *format_cgroup_file(const char *text);

/* The name of a sysctl, "net.ipv4.ip_forward" or "net/ipv4/ip_forward" (sysctl(8)). */
const char *format_sysctl(const char *text);

/* Something that sethostname(2) takes: 64 bytes at most. */
const char *format_host_name(const char *text);

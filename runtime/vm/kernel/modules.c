/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/kernel/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/host_program.h"

#define OUTPUT_MAX (1 << 20)
#define MODULES_MAX 512

/* With the option of the kernel's configuration: no guest starts without it. */
static const struct {
	const char *name, *option;
} wanted[] = {
	{ "virtio_mmio", "CONFIG_VIRTIO_MMIO" },
	{ "virtio_console", "CONFIG_VIRTIO_CONSOLE" },
	{ "vmw_vsock_virtio_transport", "CONFIG_VIRTIO_VSOCKETS" },
	{ "virtiofs", "CONFIG_VIRTIO_FS" },
	{ "virtio_rng", NULL },
	{ "virtio_blk", NULL },
	{ "virtio_net", NULL },
	{ "virtio_balloon", NULL },
	{ "virtio_mem", NULL },
	/* Roots from images, and what engines inside put over theirs. */
	{ "overlay", NULL },
	{ "ext4", NULL },
	{ "erofs", NULL },
	{ "squashfs", NULL },
	{ "tun", NULL },
	{ "veth", NULL },
	{ "dummy", NULL },
	{ "bridge", NULL },
	{ "br_netfilter", NULL },
	{ "macvlan", NULL },
	{ "ipvlan", NULL },
	/* What containers that filter or translate addresses use (iptables in either form). */
	{ "nf_tables", NULL },
	{ "nf_conntrack_netlink", NULL },
	{ "nft_chain_nat", NULL },
	{ "nft_compat", NULL },
	{ "nft_ct", NULL },
	{ "nft_fib_inet", NULL },
	{ "nft_limit", NULL },
	{ "nft_log", NULL },
	{ "nft_masq", NULL },
	{ "nft_nat", NULL },
	{ "nft_redir", NULL },
	{ "nft_reject_inet", NULL },
	{ "ip_tables", NULL },
	{ "iptable_filter", NULL },
	{ "iptable_mangle", NULL },
	{ "iptable_nat", NULL },
	{ "iptable_raw", NULL },
	{ "ip6_tables", NULL },
	{ "ip6table_filter", NULL },
	{ "ip6table_mangle", NULL },
	{ "ip6table_nat", NULL },
	{ "ip6table_raw", NULL },
	{ "ipt_REJECT", NULL },
	{ "ip6t_REJECT", NULL },
	{ "xt_addrtype", NULL },
	{ "xt_comment", NULL },
	{ "xt_connmark", NULL },
	{ "xt_conntrack", NULL },
	{ "xt_limit", NULL },
	{ "xt_LOG", NULL },
	{ "xt_mark", NULL },
	{ "xt_MASQUERADE", NULL },
	{ "xt_multiport", NULL },
	{ "xt_nat", NULL },
	{ "xt_owner", NULL },
	{ "xt_REDIRECT", NULL },
	{ "xt_statistic", NULL },
	{ "xt_TCPMSS", NULL },
	{ "xt_tcpudp", NULL },
};

#define WANTED (sizeof(wanted) / sizeof(*wanted))

/* ---- what modprobe says --------------------------------------------------------------------- */

/* modprobe(8): '-' and '_' are the same in a module's name. */
static int take_name(const char *text, size_t length, char ret[KERNEL_MODULE_NAME_MAX])
{
	if (length == 0 || length >= KERNEL_MODULE_NAME_MAX)
		return -EPROTO;
	for (size_t i = 0; i < length; i++) {
		char c = text[i] == '-' ? '_' : text[i];

		if (c != '_' && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
			!(c >= 'a' && c <= 'z'))
			return -EPROTO;
		ret[i] = c;
	}
	ret[length] = '\0';
	return 0;
}

/* The part of `path` below the version's directory, or NULL. */
static const char *below_modules(const char *path, const char *root, const char *version)
{
	static const char *const places[] = { "/lib/modules/", "/usr/lib/modules/" };
	size_t length = strlen(root);

	if (strncmp(path, root, length) != 0)
		return NULL;
	path += length;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t place = strlen(places[i]);

		if (strncmp(path, places[i], place) != 0)
			continue;
		const char *rest = path + place;
		size_t n = strlen(version);
		if (strncmp(rest, version, n) == 0 && rest[n] == '/')
			return rest + n + 1;
	}
	return NULL;
}

/* No component of it is empty, "." or "..". */
static bool is_plain(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (length == 0 || (length == 1 && path[0] == '.') ||
			(length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[length] == '\0')
			return true;
		path += length + 1;
	}
}

static const struct kernel_module *find(const struct kernel_modules *modules, const char *name)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (strcmp(modules->items[i].name, name) == 0)
			return &modules->items[i];
	}
	return NULL;
}

static int add_module(struct kernel_modules *modules, const char *path)
{
	struct kernel_module module = { 0 };
	const char *base = strrchr(path, '/');
	const char *suffix;

	base = base != NULL ? base + 1 : path;
	suffix = strchr(base, '.');
	if (!is_plain(path) || suffix == NULL || strncmp(suffix, ".ko", 3) != 0 ||
		take_name(base, (size_t)(suffix - base), module.name) < 0)
		return -EPROTO;
	if (find(modules, module.name) != NULL)
		return 0;
	if (modules->count == MODULES_MAX)
		return -E2BIG;
	if (modules->items == NULL)
		modules->items = calloc(MODULES_MAX, sizeof(*modules->items));
	module.path = strdup(path);
	if (modules->items == NULL || module.path == NULL) {
		free(module.path);
		return -ENOMEM;
	}
	modules->items[modules->count++] = module;
	return 0;
}

/* `built_in` has a place for each of wanted[]. */
static int parse_line(char *line, const char *root, const char *version,
	struct kernel_modules *modules, bool built_in[WANTED])
{
	char name[KERNEL_MODULE_NAME_MAX];
	const char *verb = strsep(&line, " "), *what = line != NULL ? strsep(&line, " ") : NULL;

	if (what == NULL)
		return -EPROTO;
	if (strcmp(verb, "insmod") == 0) {
		const char *path = below_modules(what, root, version);

		return path != NULL ? add_module(modules, path) : -EPROTO;
	}
	if (strcmp(verb, "builtin") != 0 || take_name(what, strlen(what), name) < 0)
		return -EPROTO;
	for (size_t i = 0; i < WANTED; i++)
		built_in[i] |= strcmp(wanted[i].name, name) == 0;
	return 0;
}

static int check_wanted(struct kernel_modules *modules, const char *version,
	const bool built_in[WANTED], struct error *err)
{
	size_t used = 0;

	for (size_t i = 0; i < WANTED; i++) {
		struct kernel_module *module = (struct kernel_module *)find(
			modules, wanted[i].name);

		if (module != NULL)
			module->needed = wanted[i].option != NULL;
		if (module != NULL || built_in[i])
			continue;
		if (wanted[i].option != NULL)
			return error_say(err, ENODEV,
				"kernel %s has no module %s (%s): guests cannot boot it; install "
				"the package with the rest of its modules, or name another kernel "
				"in the settings (vm.kernel)",
				version, wanted[i].name, wanted[i].option);
		int n = snprintf(modules->missing + used, sizeof(modules->missing) - used, "%s%s",
			used > 0 ? " " : "", wanted[i].name);
		if (n > 0 && (size_t)n < sizeof(modules->missing) - used)
			used += (size_t)n;
		else
			modules->missing[used] = '\0';
	}
	return 0;
}

int kernel_modules_parse(char *text, const char *root, const char *version,
	struct kernel_modules *ret, struct error *err)
{
	struct kernel_modules modules = { 0 };
	bool built_in[WANTED] = { 0 };
	char *line;
	int status = 0;

	while (status == 0 && (line = strsep(&text, "\n")) != NULL) {
		_cleanup_free_ char *said = strdup(line);

		if (line[0] == '\0')
			continue;
		status = parse_line(line, root, version, &modules, built_in);
		if (status < 0)
			error_say(err, -status, "modprobe says of kernel %s what it should not: %s",
				version, said != NULL ? said : "");
	}
	if (status == 0)
		status = check_wanted(&modules, version, built_in, err);
	if (status < 0) {
		kernel_modules_free(&modules);
		return status;
	}
	*ret = modules;
	return 0;
}

void kernel_modules_free(struct kernel_modules *modules)
{
	for (size_t i = 0; i < modules->count; i++)
		free(modules->items[i].path);
	free(modules->items);
	*modules = (struct kernel_modules){ 0 };
}

/* ---- asking it ------------------------------------------------------------------------------ */

/* The host's own configuration is about its hardware: aliases, options, what not to load. */
static int ask(
	const char *program, const char *root, const char *version, int output, struct error *err)
{
	const char *argv[WANTED + 10] = { program, "-C", "/dev/null", "-S", version,
		"--show-depends", "-a" };
	size_t n = 7;

	if (root[0] != '\0') {
		argv[n++] = "-d";
		argv[n++] = root;
	}
	for (size_t i = 0; i < WANTED; i++)
		argv[n++] = wanted[i].name;
	/* What is missing makes its status 1, and is seen by what is not there. */
	int status = host_program_run(argv, -1, output, -1, err);
	if (status > 1)
		return error_say(err, EIO, "%s -S %s --show-depends: it ended with status %d",
			program, version, status);
	return status < 0 ? status : 0;
}

int kernel_modules_find(
	const char *root, const char *version, struct kernel_modules *ret, struct error *err)
{
	_cleanup_close_ int output = memfd_create("modprobe", MFD_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	char program[PATH_MAX];

	if (output < 0)
		return error_set(err, errno, "look for the modules of kernel %s", version);
	if (host_program_find("modprobe", program) < 0)
		return error_say(err, ENOENT,
			"kernel %s boots with its modules, which modprobe finds: it is not "
			"installed (package kmod)",
			version);
	int status = ask(program, root, version, output, err);
	if (status < 0)
		return status;
	if (lseek(output, 0, SEEK_SET) < 0)
		return error_set(err, errno, "look for the modules of kernel %s", version);
	status = read_fd(output, "modprobe's output", OUTPUT_MAX, &text, NULL, err);
	return status < 0 ? status : kernel_modules_parse(text, root, version, ret, err);
}

int kernel_modules_open(const char *root, const char *version, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/lib/modules/%s", root, version);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open %s", path) : fd;
}

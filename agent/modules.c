/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/modules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"

#define LIST MODULES_DIRECTORY "/" MODULES_LIST
#define LIST_MAX (256 << 10)
#define VIRTIO_DEVICES "/sys/bus/virtio/devices"
#define DEPTH_MAX 16
#define PARAMETERS_MAX 512
#define PROGRAM "/init"

/* A line of the list: NAME needed|optional DEPENDS[,DEPENDS...]|- [ALIAS...] */
struct module {
	const char *name, *depends;
	char *aliases;
	bool needed;
};

struct modules {
	char *text; /* that the modules' strings are parts of */
	struct module *items;
	size_t count;
};

static void modules_free(struct modules *modules)
{
	free(modules->text);
	free(modules->items);
}

static bool parse_line(char *line, struct module *ret)
{
	const char *name = strsep(&line, " "), *needed = strsep(&line, " ");
	const char *depends = strsep(&line, " ");

	if (depends == NULL)
		return false;
	*ret = (struct module){ .name = name,
		.depends = strcmp(depends, "-") == 0 ? "" : depends,
		.aliases = line,
		.needed = strcmp(needed, "needed") == 0 };
	return true;
}

/* No list is a list of nothing. */
static int read_list(struct modules *ret, struct error *err)
{
	struct error problem = ERROR_INIT;
	char *rest, *line;
	size_t lines = 0;
	int status = read_file(AT_FDCWD, LIST, LIST_MAX, &ret->text, NULL, &problem);

	if (status == -ENOENT)
		return 0;
	if (status < 0)
		return error_say(err, problem.errnum, "%s", problem.message);
	for (const char *c = ret->text; *c != '\0'; c++)
		lines += *c == '\n';
	ret->items = calloc(lines + 1, sizeof(*ret->items));
	if (ret->items == NULL)
		return error_set(err, ENOMEM, "read the list of the kernel's modules");
	rest = ret->text;
	ret->count = 0;
	while ((line = strsep(&rest, "\n")) != NULL && ret->count <= lines) {
		if (parse_line(line, &ret->items[ret->count]))
			ret->count++;
	}
	return 0;
}

/* In module names '-' and '_' are the same (modprobe(8)). */
static bool same_name(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i]))
			return false;
		if (a[i] == '\0')
			return false;
	}
	return true;
}

static bool answers_to(const struct module *module, const char *name)
{
	char alias[128];
	const char *at = module->aliases;

	if (strlen(module->name) == strlen(name) && same_name(module->name, name, strlen(name)))
		return true;
	while (at != NULL && *at != '\0') {
		size_t length = strcspn(at, " ");

		if (length > 0 && length < sizeof(alias)) {
			memcpy(alias, at, length);
			alias[length] = '\0';
			if (fnmatch(alias, name, FNM_NOESCAPE) == 0)
				return true;
		}
		at += length + (at[length] == ' ');
	}
	return false;
}

/* What the kernel's command line has for the module: NAME.PARAMETER=VALUE. modprobe's to pass on.
 */
static void find_parameters(const char *name, char ret[PARAMETERS_MAX])
{
	_cleanup_free_ char *line = NULL;
	size_t used = 0, length = strlen(name);

	ret[0] = '\0';
	if (read_file(AT_FDCWD, "/proc/cmdline", 4096, &line, NULL, NULL) < 0)
		return;
	char *rest = line, *word;
	while ((word = strsep(&rest, " \n")) != NULL) {
		if (!same_name(word, name, length) || word[length] != '.')
			continue;
		int n = snprintf(ret + used, PARAMETERS_MAX - used, "%s ", word + length + 1);
		if (n < 0 || (size_t)n >= PARAMETERS_MAX - used) {
			ret[used] = '\0';
			return;
		}
		used += (size_t)n;
	}
}

/* A file that is gone was loaded before. */
static int load_file(const char *name)
{
	char path[128], parameters[PARAMETERS_MAX];

	snprintf(path, sizeof(path), MODULES_DIRECTORY "/%s.ko", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	find_parameters(name, parameters);
	if (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST)
		return -errno;
	unlink(path);
	return 0;
}

static int load(
	const struct modules *modules, const char *name, unsigned int depth, struct error *err);

static int load_module(const struct modules *modules, const struct module *module,
	unsigned int depth, struct error *err)
{
	char name[64];
	const char *at = module->depends;

	if (depth == DEPTH_MAX)
		return error_say(err, ELOOP, "kernel module %s: it needs itself", module->name);
	while (*at != '\0') {
		size_t length = strcspn(at, ",");

		snprintf(name, sizeof(name), "%.*s", (int)length, at);
		int status = load(modules, name, depth + 1, err);
		if (status < 0)
			return status;
		at += length + (at[length] == ',');
	}
	int status = load_file(module->name);
	return status < 0 ? error_set(err, -status, "the guest cannot load the kernel module %s",
				    module->name)
			  : 0;
}

/* One that the guest can do without is only told of. */
static int load(
	const struct modules *modules, const char *name, unsigned int depth, struct error *err)
{
	for (size_t i = 0; i < modules->count; i++) {
		const struct module *module = &modules->items[i];
		struct error problem = ERROR_INIT;

		if (!answers_to(module, name) || load_module(modules, module, depth, &problem) == 0)
			continue;
		if (module->needed || depth > 0)
			return error_say(err, problem.errnum, "%s", problem.message);
		log_info("%s", problem.message);
	}
	return 0;
}

int modules_load(const char *name, struct error *err)
{
	_cleanup_(modules_free) struct modules modules = { 0 };
	int status = read_list(&modules, err);

	return status < 0 ? status : load(&modules, name, 0, err);
}

static int load_for_device(const struct modules *modules, const char *device, struct error *err)
{
	_cleanup_free_ char *alias = NULL;
	char path[300];

	snprintf(path, sizeof(path), VIRTIO_DEVICES "/%s/modalias", device);
	int status = read_file(AT_FDCWD, path, 256, &alias, NULL, err);
	if (status < 0)
		return status;
	alias[strcspn(alias, "\n")] = '\0';
	return load(modules, alias, 0, err);
}

static int load_for_devices(const struct modules *modules, struct error *err)
{
	_cleanup_closedir_ DIR *devices = opendir(VIRTIO_DEVICES);
	struct dirent *entry;
	int status = 0;

	if (devices == NULL)
		return error_set(err, errno, "look for devices in %s", VIRTIO_DEVICES);
	while (status == 0 && (entry = readdir(devices)) != NULL) {
		if (entry->d_name[0] != '.')
			status = load_for_device(modules, entry->d_name, err);
	}
	return status;
}

int modules_load_drivers(struct error *err)
{
	_cleanup_(modules_free) struct modules modules = { 0 };
	int status = read_list(&modules, err);

	return status < 0 || modules.count == 0 ? status : load_for_devices(&modules, err);
}

/* What was opened before the driver was there is the serial port, where there is one. */
static void open_console(void)
{
	_cleanup_close_ int console = open("/dev/console", O_RDWR | O_CLOEXEC | O_NOCTTY);

	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
}

/* proc(5), /proc/sys/kernel/modprobe: executed in PID 1's root. */
static void take_requests(void)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/modprobe", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, PROGRAM, strlen(PROGRAM)) < 0)
		log_info("the kernel cannot ask for modules: %s", strerror(errno));
}

int modules_start(struct error *err)
{
	_cleanup_(modules_free) struct modules modules = { 0 };
	int status = read_list(&modules, err);

	if (status < 0 || modules.count == 0)
		return status;
	take_requests();
	status = load(&modules, "virtio_mmio", 0, err);
	if (status == 0)
		status = load_for_devices(&modules, err);
	if (status == 0)
		open_console();
	return status;
}

/* call_modprobe() of the kernel's kernel/module/kmod.c. */
bool modules_is_request(int argc, char **argv)
{
	return argc == 4 && getpid() != 1 && strcmp(argv[1], "-q") == 0 &&
		strcmp(argv[2], "--") == 0;
}

int modules_serve_request(char **argv)
{
	struct error err = ERROR_INIT;

	return modules_load(argv[3], &err) < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What modprobe says of a kernel's modules, and what a module says of itself: both may be anything.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/kernel/module_file.h"
#include "runtime/vm/kernel/modules.h"

#define VERSION "6.1.0-9-cloud"
#define NEEDED                                                                             \
	"insmod /lib/modules/" VERSION "/kernel/virtio_ring.ko \n"                         \
	"insmod /lib/modules/" VERSION "/kernel/virtio_mmio.ko.xz \n"                      \
	"insmod /usr/lib/modules/" VERSION "/kernel/virtio_ring.ko \n"                     \
	"insmod /usr/lib/modules/" VERSION "/kernel/a/vmw-vsock_virtio_transport.ko x=1\n" \
	"builtin virtio_console\n"

static int parse(const char *text, struct kernel_modules *ret, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);

	assert_non_null(copy);
	*err = ERROR_INIT;
	return kernel_modules_parse(copy, "", VERSION, ret, err);
}

static void modules_are_listed_once_in_order(void **state)
{
	struct kernel_modules modules;
	struct error err;

	(void)state;
	assert_int_equal(parse(NEEDED "builtin virtiofs\nbuiltin ext4\n", &modules, &err), 0);
	assert_int_equal(modules.count, 3);
	assert_string_equal(modules.items[0].name, "virtio_ring");
	assert_string_equal(modules.items[0].path, "kernel/virtio_ring.ko");
	assert_false(modules.items[0].needed);
	assert_string_equal(modules.items[1].path, "kernel/virtio_mmio.ko.xz");
	assert_true(modules.items[1].needed);
	assert_string_equal(modules.items[2].name, "vmw_vsock_virtio_transport");
	assert_true(modules.items[2].needed);
	assert_non_null(strstr(modules.missing, "overlay"));
	assert_null(strstr(modules.missing, "ext4"));
	kernel_modules_free(&modules);
}

static void a_needed_one_that_is_missing_is_named_with_its_option(void **state)
{
	struct kernel_modules modules;
	struct error err;

	(void)state;
	assert_int_equal(parse(NEEDED, &modules, &err), -ENODEV);
	assert_non_null(strstr(err.message, "virtiofs (CONFIG_VIRTIO_FS)"));
	assert_int_equal(parse("", &modules, &err), -ENODEV);
	assert_non_null(strstr(err.message, "virtio_mmio (CONFIG_VIRTIO_MMIO)"));
}

static void all_else_is_refused(void **state)
{
	static const char *const wrong[] = {
		"insmod",
		"insmod ",
		"insmod /lib/modules/6.1.0-9-cloud",
		"insmod /lib/modules/6.1.0-9-cloud/",
		"insmod /lib/modules/6.1.0-9-cloudy/kernel/a.ko",
		"insmod /lib/modules/6.1.0-9/kernel/a.ko",
		"insmod /lib/modules/6.1.0-9-cloud/../../../etc/shadow.ko",
		"insmod /lib/modules/6.1.0-9-cloud/kernel/../a.ko",
		"insmod /lib/modules/6.1.0-9-cloud/./a.ko",
		"insmod /lib/modules/6.1.0-9-cloud//a.ko",
		"insmod /lib/modules/6.1.0-9-cloud/kernel/a.so",
		"insmod /lib/modules/6.1.0-9-cloud/kernel/a",
		"insmod /lib/modules/6.1.0-9-cloud/kernel/.ko",
		"insmod /lib/modules/6.1.0-9-cloud/kernel/a\tb.ko",
		"insmod /lib/modules/6.1.0-9-cloud/kernel/a,b.ko",
		("insmod /lib/modules/6.1.0-9-cloud/"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.ko"),
		"insmod lib/modules/6.1.0-9-cloud/a.ko",
		"insmod /etc/passwd",
		"install /bin/rm -rf /",
		"builtin",
		"builtin ../x",
		"modprobe: FATAL: Module x not found",
		"\x01\xff",
	};
	struct kernel_modules modules;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char text[4096];

		snprintf(text, sizeof(text), NEEDED "builtin virtiofs\n%s\n", wrong[i]);
		if (parse(text, &modules, &err) != -EPROTO)
			fail_msg("accepted: %s", wrong[i]);
		assert_null(strchr(err.message, '\n'));
	}
}

static void another_root_is_another_place(void **state)
{
	char good[] = "insmod /r/lib/modules/" VERSION "/a.ko\n";
	char bad[] = "insmod /lib/modules/" VERSION "/a.ko\n";
	struct kernel_modules modules;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(kernel_modules_parse(good, "/r", VERSION, &modules, &err), -ENODEV);
	assert_int_equal(kernel_modules_parse(bad, "/r", VERSION, &modules, &err), -EPROTO);
}

static void more_than_a_kernel_has_are_refused(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	struct kernel_modules modules;
	struct error err;

	(void)state;
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "insmod /lib/modules/" VERSION "/m%d.ko\n", i);
	fclose(stream);
	assert_int_equal(parse(text, &modules, &err), -E2BIG);
}

/* ---- .modinfo ------------------------------------------------------------------------------- */

static const char information[] =
	"license=GPL\0depends=virtio,virtio_ring\0alias=fs-fuse\0\0\0"
	"alias=has a blank\0alias=virtio:d00000001v*\0depends=\0vermagic=6";
static const char names[] = "\0.modinfo\0.shstrtab";

struct module {
	Elf64_Ehdr elf;
	Elf64_Shdr sections[3];
	char names[sizeof(names)], information[sizeof(information)];
};

static struct module make_module(void)
{
	struct module module = {
		.elf = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
			.e_shoff = offsetof(struct module, sections),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 3,
			.e_shstrndx = 2 },
		.sections = { [1] = { .sh_name = 1,
				      .sh_type = SHT_PROGBITS,
				      .sh_offset = offsetof(struct module, information),
				      .sh_size = sizeof(information) },
			[2] = { .sh_name = 10,
				.sh_type = SHT_STRTAB,
				.sh_offset = offsetof(struct module, names),
				.sh_size = sizeof(names) } },
	};

	memcpy(module.names, names, sizeof(names));
	memcpy(module.information, information, sizeof(information));
	return module;
}

static void a_module_says_what_it_needs_and_answers_to(void **state)
{
	struct module module = make_module();
	_cleanup_free_ char *depends = NULL, *aliases = NULL;

	(void)state;
	assert_int_equal(
		module_file_parse((uint8_t *)&module, sizeof(module), &depends, &aliases), 0);
	assert_string_equal(depends, "virtio,virtio_ring");
	assert_string_equal(aliases, "fs-fuse virtio:d00000001v*");
}

/* In memory of just that size, where a sanitizer sees what is read beyond it. */
static int parse_copy(const struct module *module, size_t size)
{
	_cleanup_free_ uint8_t *copy = malloc(size > 0 ? size : 1);
	_cleanup_free_ char *depends = NULL, *aliases = NULL;

	memcpy(copy, module, size);
	return module_file_parse(copy, size, &depends, &aliases);
}

static void a_module_that_is_cut_off_or_lies_is_none(void **state)
{
	struct module module = make_module();

	(void)state;
	for (size_t size = 0; size < offsetof(struct module, information) + sizeof(information);
		size++)
		assert_int_equal(parse_copy(&module, size), -ENOEXEC);
	module.sections[1].sh_size = UINT64_MAX;
	assert_int_equal(parse_copy(&module, sizeof(module)), -ENOEXEC);
	module = make_module();
	module.sections[1].sh_name = UINT32_MAX;
	assert_int_equal(parse_copy(&module, sizeof(module)), -ENOEXEC);
	module = make_module();
	module.sections[2].sh_offset = UINT64_MAX - 4;
	assert_int_equal(parse_copy(&module, sizeof(module)), -ENOEXEC);
	module = make_module();
	module.elf.e_shoff = UINT64_MAX - 16;
	assert_int_equal(parse_copy(&module, sizeof(module)), -ENOEXEC);
	module = make_module();
	module.elf.e_shstrndx = 3;
	assert_int_equal(parse_copy(&module, sizeof(module)), -ENOEXEC);
	module = make_module();
	module.sections[1].sh_type = SHT_NOBITS;
	assert_int_equal(parse_copy(&module, sizeof(module)), -ENOEXEC);
}

/* No single byte of the headers brings the reader out of the file. */
static void any_byte_may_be_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < offsetof(struct module, names); i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct module module = make_module();

			((uint8_t *)&module)[i] ^= (uint8_t)(1 << bit);
			int status = parse_copy(&module, sizeof(module));
			assert_true(status == 0 || status == -ENOEXEC);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_listed_once_in_order),
		cmocka_unit_test(a_needed_one_that_is_missing_is_named_with_its_option),
		cmocka_unit_test(all_else_is_refused),
		cmocka_unit_test(another_root_is_another_place),
		cmocka_unit_test(more_than_a_kernel_has_are_refused),
		cmocka_unit_test(a_module_says_what_it_needs_and_answers_to),
		cmocka_unit_test(a_module_that_is_cut_off_or_lies_is_none),
		cmocka_unit_test(any_byte_may_be_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

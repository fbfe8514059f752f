/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's own data may ask of its virtual machine: config.json's vm object, and the
 * annotations that make it part of a pod. It is asked here, before anything is opened; whatever
 * cannot be honoured is refused in one line.
 */
#pragma once

struct container_init;
struct error;
struct settings_vm;

/*
 * 0, or -ENOTSUP with the field and the reason: files of the host's that only the settings may name
 * (CVE-2020-27151), parameters of the guest's kernel, hardware that nobody passes through, a
 * container of a pod.
 */
int vm_check_asked(const struct container_init *init, struct error *err);

/*
 * The settings, with the kernel and the initramfs that vm_check_asked() let config.json name. The
 * strings are the settings' and config.json's.
 */
struct settings_vm vm_asked_files(const struct container_init *init);

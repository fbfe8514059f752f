/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root file system that comes as an image on a disk: read-only, with an overlay in memory, so
 * that what a container writes is its own and ends with it.
 */
#pragma once

struct error;

#define AGENT_IMAGE_SERIAL "root" /* of the disk */
#define AGENT_IMAGE_ROOT "/image/root"

/*
 * Mounts the image at AGENT_IMAGE_ROOT, once. ext4, erofs and squashfs are known by their first
 * sectors. Errors: one line that names what is wrong with the image.
 */
int image_mount(struct error *err);

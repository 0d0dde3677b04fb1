# The disk, the kernel and the initial RAM disk of a 64-bit Arm computer with edged installed, for
# `python -m benchmarks.arm`. Debian and its kernel are fetched once; edged is installed anew when
# its sources change. Wants what tests/need says of bench-arm; `rm -r build/arm` forgets everything.

include tests/arm/image.mk

root = $(out)/root
bench = benchmarks/arm

edged_sources := $(shell git ls-files -co --exclude-standard -- Makefile pyproject.toml setup.py \
	constraints.txt requirements edged models benchmarks)
# What benchmarks/material.py looks for beside the checkout, where that is there.
material := $(wildcard $(addprefix ../shared/data/,models/tf2_mobilenet_v2_1.0_224_ptq.tflite \
	labels/imagenet_labels.txt images/cat_1080p.jpg images/cat_720p.jpg))

$(out)/disk.ext4: $(out)/kernel.stamp $(edged_sources) $(material) tests/checkout
	tests/checkout $(root)
	rm -f $(root)/usr/src/venv/run.stamp
	tests/arm/enter make -s -C /usr/src/edged VENV=/usr/src/venv /usr/src/venv/run.stamp
	rm -rf $(root)/usr/src/shared
	mkdir $(root)/usr/src/shared
	$(if $(material),cd ../shared && cp --parents $(material:../shared/%=%) $(abspath $(root))/usr/src/shared,true)
	rm -f $@.new
	mke2fs -q -t ext4 -d $(root) $@.new 3000M
	mv $@.new $@

$(out)/kernel.stamp: $(out)/debian.stamp $(bench)/modules
	tests/checkout $(root)
	mkdir -p $(root)/etc/initramfs-tools/conf.d $(root)/usr/share/initramfs-tools/modules.d
	echo MODULES=list > $(root)/etc/initramfs-tools/conf.d/bench
	cp $(bench)/modules $(root)/usr/share/initramfs-tools/modules.d/bench
	tests/arm/enter apt-get update -qq
	tests/arm/enter env DEBIAN_FRONTEND=noninteractive \
		apt-get install -qq -y --no-install-recommends initramfs-tools linux-image-arm64
	tests/arm/enter apt-get clean
	rm -rf $(root)/var/lib/apt/lists/*
	cp $(root)/vmlinuz $(out)/vmlinuz
	cp $(root)/initrd.img $(out)/initrd.img
	touch $@

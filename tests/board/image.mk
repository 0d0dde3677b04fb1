# The disk of a small Debian computer with edged installed, for `python -m tests.board`: of ARCH,
# amd64 or arm64. Debian and its kernel are fetched once; edged is installed anew when its sources
# change. Wants what tests/need says of board; `rm -r build/board` forgets everything.

ARCH ?= amd64
board = tests/board
out = build/board/$(ARCH)
root = $(out)/root
suite = bookworm

edged_sources := $(shell git ls-files -co --exclude-standard -- Makefile pyproject.toml setup.py \
	constraints.txt requirements README.md LICENSE edged models config systemd docs/systemd.md)

$(out)/disk.ext4: $(out)/gpio-sim.stamp $(edged_sources) $(board)/install tests/checkout $(wildcard $(board)/guest/*)
	$(board)/install $(root) $(out)/pip-cache
	rm -f $@.new
	mke2fs -q -t ext4 -d $(root) $@.new 3000M
	mv $@.new $@

$(out)/gpio-sim.stamp: $(out)/debian.stamp $(board)/gpio-sim
	$(board)/gpio-sim $(root)
	touch $@

$(out)/debian.stamp: $(board)/packages $(board)/initrd-modules $(board)/initrd.conf
	rm -rf $(root)
	mkdir -p $(out)
	$(if $(filter arm64,$(ARCH)),tests/arm/register)
	mmdebstrap --quiet --architectures=$(ARCH) --variant=minbase \
		--include="$$(tr '\n' , < $(board)/packages)linux-image-$(ARCH),linux-headers-$(ARCH)" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--essential-hook='mkdir -p "$$1/etc/initramfs-tools/conf.d"' \
		--essential-hook='copy-in $(board)/initrd.conf /etc/initramfs-tools/conf.d' \
		$(suite) $(root)
	cp $(board)/initrd-modules $(root)/etc/initramfs-tools/modules
	chroot $(root) update-initramfs -u
	cp $(root)/vmlinuz $(out)/vmlinuz
	cp $(root)/initrd.img $(out)/initrd.img
	touch $@

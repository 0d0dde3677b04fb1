# The reports in this folder, made again: make report-evaluation report-quantization report-still
# report-different report-drift report-unknown report-teaching report-replay report-tuning
# make reference holds the daemon's path against TensorFlow's interpreter.

SHARED ?= ../shared/data
RUN ?= models/run
TENSORFLOW ?= .venv-tensorflow
REPORTS = docs/reports
CIFAR = $(SHARED)/training/cifar10
CLASSIFIERS = mobilenet_v1_0.25_128_quant mobilenet_v1_0.5_160_quant \
	mobilenet_v1_0.75_192_quant mobilenet_v2_1.0_224_quant tf2_mobilenet_v2_1.0_224_ptq

.PHONY: report-evaluation report-quantization report-still report-different report-drift report-unknown report-teaching report-replay report-tuning reference

$(TENSORFLOW)/stamp: models/requirements-train.txt pyproject.toml
	python3.11 -m venv $(TENSORFLOW)
	$(TENSORFLOW)/bin/python -m pip install --quiet -r models/requirements-train.txt --editable '.[test]'
	@touch $@

# A report takes the place of the old one only when it is whole.
report-evaluation: $(VENV)/run.stamp ## measure the bundled model and those of ../shared/data
	$(BIN)/edged models evaluate models/edged-cifar10-int8.tflite --data $(CIFAR)/test.zip \
		--slice brightness --slice contrast --html $(REPORTS)/bundled.html --json > $(REPORTS)/.part
	mv $(REPORTS)/.part $(REPORTS)/bundled.json
	for name in $(CLASSIFIERS); do \
		$(BIN)/edged models evaluate $(SHARED)/models/$$name.tflite \
			--labels $(SHARED)/labels/imagenet_labels.txt \
			--data $(SHARED)/imagenet-sample/labels.csv --json > $(REPORTS)/.part && \
		mv $(REPORTS)/.part $(REPORTS)/$$name.json || exit 1; \
	done
	$(BIN)/edged models calibrate $(SHARED)/models/mlperf_tiny_resnet_float.tflite \
		--labels models/edged-cifar10-int8.labels.txt --data $(CIFAR)/test.zip > $(REPORTS)/calibration.md
	$(BIN)/edged models calibrate $(SHARED)/models/mlperf_tiny_resnet_float.tflite \
		--labels models/edged-cifar10-int8.labels.txt --data $(CIFAR)/test.zip --json > $(REPORTS)/calibration.json
	$(BIN)/python -m edged.evaluation $(REPORTS)/bundled.json > $(REPORTS)/bundled.md
	$(BIN)/python -m edged.evaluation $(CLASSIFIERS:%=$(REPORTS)/%.json) > $(REPORTS)/imagenet.md

report-unknown: $(VENV)/test.stamp ## what models do not know: fitted, and measured beside other methods
	$(BIN)/python -m models.recipe.known --data $(CIFAR)
	for name in $(CLASSIFIERS); do \
		$(BIN)/edged models unknown $(SHARED)/models/$$name.tflite \
			--labels $(SHARED)/labels/imagenet_labels.txt --data $(SHARED)/imagenet-sample/labels.csv \
			--out models/known/$$name.tflite.known > /dev/null || exit 1; \
	done
	$(BIN)/python -m tests.unknown --out $(REPORTS)/unknown.md $(ARGS)

report-quantization: need-report-quantization $(TENSORFLOW)/stamp ## five versions of the bundled model side by side (needs its checkpoint)
	$(TENSORFLOW)/bin/python -m models.recipe.export --run $(RUN)
	rm -rf $(RUN)/edged-cifar10-tflite
	$(TENSORFLOW)/bin/python -m edged models quantize $(RUN)/edged-cifar10 --mean 128 --std 128 \
		--data $(CIFAR)/test.zip --calibrate $(CIFAR)/train.zip \
		--out $(RUN)/edged-cifar10-tflite --json > $(REPORTS)/.part
	mv $(REPORTS)/.part $(REPORTS)/quantization.json
	$(TENSORFLOW)/bin/python -m edged.evaluation $(REPORTS)/quantization.json > $(REPORTS)/quantization.md

report-teaching: $(VENV)/test.stamp ## how well labels are taught, on pictures of ../shared/data
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.teaching --out $(REPORTS)/.part
	mv $(REPORTS)/.part $(REPORTS)/teaching.md

report-still: $(VENV)/test.stamp ## which frames show nothing new, and whether events stay the same
	$(BIN)/python -m tests.scenes.still --out $(REPORTS)/.part
	mv $(REPORTS)/.part $(REPORTS)/still.md

report-different: $(VENV)/test.stamp ## what is found to be different, false alarms by light, and faults of the view
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.scenes.different --out $(REPORTS)/.part
	mv $(REPORTS)/.part $(REPORTS)/different.md

report-drift: $(VENV)/test.stamp ## simulated weeks before a camera: false alarms, and faults told by name
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.drift --out $(REPORTS)/.part $(ARGS)
	mv $(REPORTS)/.part $(REPORTS)/drift.md

report-replay: $(VENV)/test.stamp ## a thousand events of a running daemon, recorded and decided again
	$(BIN)/python -m tests.recording --out $(REPORTS)/replay.md $(ARGS)

report-tuning: $(VENV)/test.stamp ## what `edged tune` finds, judged on recordings that it has not seen; half an hour
	$(BIN)/python -m tests.tuning --shared $(SHARED) --out $(REPORTS)/tuning.md $(ARGS)

reference: need-reference $(TENSORFLOW)/stamp ## the daemon's path against TensorFlow and Pillow, on 491 pictures
	$(TENSORFLOW)/bin/python -m pytest tests/evaluation/test_reference.py -rA $(ARGS)

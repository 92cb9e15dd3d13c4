# tutelage in a container, for CPUs, or for NVIDIA GPUs with CUDA=cu130 or another suffix of PyTorch's index:
#
#   docker build -t tutelage .
#   docker build -t tutelage:cuda --build-arg CUDA=cu130 .
#   docker run --rm -v "$PWD:/work" tutelage train photos/ --labels labels.csv --out runs/a
#   docker run --rm --gpus all --shm-size 4g -v "$PWD:/work" tutelage:cuda train photos/ --labels labels.csv --out runs/a
#
# Files are written as the user with number 1000; pass --user "$(id -u):$(id -g)" for another one.
FROM python:3.12-slim

ARG CUDA=cpu
RUN pip install --no-cache-dir torch torchvision --index-url "https://download.pytorch.org/whl/${CUDA}"

COPY . /opt/tutelage
RUN pip install --no-cache-dir '/opt/tutelage[pretrained,medical,dicom,heic,export,web]' && rm -rf /opt/tutelage

RUN useradd --uid 1000 --create-home user && mkdir -p /work /cache && chmod 777 /work /cache
USER user
WORKDIR /work
ENV TUTELAGE_CACHE=/cache HOME=/tmp PYTHONUNBUFFERED=1
ENTRYPOINT ["tutelage"]
CMD ["--help"]

# vit_explore: the app, a worker, or the head of a cluster, on the CPU or on a GPU.
#   docker build -t vit_explore .
#   docker run -p 8501:8501 -v vit_explore:/data vit_explore
#   docker run --gpus all … vit_explore                             the same image: PyPI's torch for Linux knows CUDA
#   docker build --build-arg PIP_EXTRA_INDEX_URL=… .                a smaller torch without CUDA, from the index that has it
FROM python:3.11-slim

ARG PIP_EXTRA_INDEX_URL
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

RUN useradd --create-home --uid 1000 vit
WORKDIR /app
COPY requirements.txt requirements-postgres.txt ./
RUN pip install --no-cache-dir -r requirements.txt -r requirements-postgres.txt
COPY app.py pyproject.toml README.md ./
COPY .streamlit .streamlit
COPY pages pages
COPY vit_explore vit_explore

RUN mkdir /data && chown vit /data
USER 1000
ENV VIT_EXPLORE_HOME=/data
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"]
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.headless=true"]

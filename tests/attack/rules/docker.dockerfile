# ruleid: image-without-a-version
FROM python
# ruleid: image-without-a-version
FROM python:latest
# ok: image-without-a-version
FROM python:3.11-slim-bookworm
# ruleid: image-with-a-secret
ENV POSTPROBER_SECRET_KEY=abc
# ok: image-with-a-secret
ENV POSTPROBER_API_HOST=0.0.0.0
# ruleid: image-that-fetches-by-address
ADD https://example.org/program.tar /opt/
# ruleid: image-that-fetches-by-address
RUN curl -O https://example.org/program.tar
# ok: image-that-fetches-by-address
RUN pip install --no-cache-dir --requirement requirements.txt
# ruleid: image-that-runs-as-root
USER root
# ok: image-that-runs-as-root
USER postprober

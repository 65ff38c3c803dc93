"""The addresses of the people's side: the API under /api/v1/, and the web app."""

from django.urls import include, path

from workspace import api, signin_views, views

_API = [
    path("me", api.Me.as_view(), name="me"),
    path("accounts", api.Accounts.as_view(), name="accounts"),
    path("accounts/<uuid:account_id>", api.AccountDetail.as_view(), name="account"),
    path("accounts/<uuid:account_id>/reveal", api.Reveal.as_view(), name="reveal"),
    path("keys", api.Keys.as_view(), name="keys"),
    path("keys/<uuid:key_id>", api.KeyDetail.as_view(), name="key"),
]
_WEB = [
    path("", views.accounts, name="accounts"),
    path("accounts/<uuid:account_id>/", views.account, name="account"),
    path("accounts/<uuid:account_id>/reveal/", views.reveal, name="reveal"),
    path("keys/", views.api_keys, name="keys"),
    path("keys/<uuid:key_id>/revoke/", views.revoke_key, name="revoke_key"),
    path("profile/", views.profile, name="profile"),
    path("invitation/<uuid:user_id>/<str:token>/", views.invitation, name="invitation"),
    path("profile/sessions/end-others/", signin_views.end_other_sessions, name="end_other_sessions"),
    path("profile/sessions/<str:handle>/end/", signin_views.end_session, name="end_session"),
    path("second-factor/", signin_views.second_factor_page, name="second_factor"),
    path("second-factor/confirm/", signin_views.confirm_second_factor, name="confirm_second_factor"),
    path("second-factor/codes/", signin_views.renew_recovery_codes, name="renew_recovery_codes"),
    path("second-factor/remove/", signin_views.remove_second_factor, name="remove_second_factor"),
    path("login/", signin_views.sign_in, name="login"),
    path("login/code/", signin_views.code, name="code"),
    path("logout/", views.sign_out, name="logout"),
]
urlpatterns = [
    path("api/v1/", include((_API, "api"))),
    path("", include((_WEB, "web"))),
]
